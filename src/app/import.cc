#include "app/import.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "app/help.h"
#include "app/report.h"
#include "base/secret.h"
#include "base/source.h"
#include "base/system.h"
#include "config/import.h"

namespace pillarbox::app {
namespace {

constexpr std::string_view program = "pillarbox import";
constexpr std::size_t largest_file = 16U << 20U;

Result<std::string> read_file(const std::string& path) {
  auto source = base::open_source(path);
  if (!source) return source.error();
  auto text = base::read_all(**source, largest_file);
  if (!text) return Error{Error::Kind::no_input, text.error().text};
  return text;
}

// A file that others can read is no place for a password, and the shell has made it already.
void warn_of_mode() {
  struct stat status {};
  if (::fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & 077U) == 0) return;
  complain(program, "there is a password in what was written, and others can read the file; chmod 600 mends that");
}

}  // namespace

int import_command(const std::vector<std::string>& args) {
  if (args.size() == 1 && (args[0] == "--help" || args[0] == "-h")) return print_import_help();
  if (args.size() != 1 || (args[0].size() > 1 && args[0].starts_with('-'))) {
    return fail(program, {Error::Kind::usage, "one file is needed", "pillarbox import --help says which"});
  }
  base::forbid_core_dumps();
  auto text = read_file(args[0]);
  if (!text) return fail(program, text.error());
  const auto imported = config::import_configuration(*text, args[0], read_file);
  base::wipe(*text);
  if (!imported) return fail(program, imported.error());
  std::string out = config::to_libconfig(*imported);
  std::fwrite(out.data(), 1, out.size(), stdout);
  base::wipe(out);
  if (const auto written = flush_output(); !written) return fail(program, written.error());
  if (imported->has_password()) warn_of_mode();
  if (imported->accounts.empty())
    return fail(program, {Error::Kind::data, args[0] + ": there is no server in it to send by"});
  return 0;
}

}  // namespace pillarbox::app
