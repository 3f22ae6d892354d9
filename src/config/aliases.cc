#include "config/aliases.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "base/source.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace pillarbox::config {
namespace {

constexpr std::size_t largest_file = 16U << 20U;
constexpr std::string_view include = ":include:";

struct Line {
  std::size_t number;
  std::string text;
};

// Lines with their continuations, without comments and empty ones.
std::vector<Line> logical_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t number = 0;
  for (const std::string_view line : base::split(text, '\n')) {
    ++number;
    const std::string_view content = base::trim(line);
    if (content.empty() || content.front() == '#') continue;
    if (base::is_blank(line.front()) && !lines.empty()) {
      lines.back().text += ' ' + std::string(content);
    } else {
      lines.push_back({number, std::string(content)});
    }
  }
  return lines;
}

// Where the name ends: at the first colon outside quotes.
std::size_t colon_of(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] == ':' && !quoted) return i;
  }
  return std::string_view::npos;
}

std::string unquoted(std::string_view text) {
  text = base::trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return std::string(text);
}

// The elements of a value, split at commas outside quotes.
std::vector<std::string> elements(std::string_view value) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (const char c : value) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

bool is_local(const mail::Address& address, const std::vector<std::string>& local_domains) {
  return address.domain().empty() ||
         std::any_of(local_domains.begin(), local_domains.end(),
                     [&](const std::string& domain) { return base::iequals(domain, address.domain()); });
}

bool is_delivery(std::string_view element) {
  return element.starts_with('|') || element.starts_with('/') || base::istarts_with(element, include);
}

}  // namespace

// One expansion: what was visited is not visited again.
class Aliases::Walk {
 public:
  Walk(const Aliases& aliases, const std::vector<std::string>& local_domains)
      : aliases_(aliases), local_domains_(local_domains) {}

  void visit(const mail::Mailbox& mailbox) {
    // Not by recursion: a file may hold a chain of any length.
    std::vector<Step> steps = {{&mailbox, nullptr}};
    while (!steps.empty()) {
      const Step step = steps.back();
      steps.pop_back();
      follow(step, steps);
    }
  }

  Expansion take() { return std::move(out_); }

 private:
  struct Step {
    const mail::Mailbox* mailbox;
    const std::string* alias;  // whose target it is, if it is one
  };

  // Ends one way, or goes on to what is behind an alias: in front of what else there is to do, in order.
  void follow(const Step& step, std::vector<Step>& steps) {
    const mail::Address& address = step.mailbox->address;
    const std::string name = base::lower(address.local());
    const bool itself = step.alias && is_local(address, local_domains_) && name == *step.alias;
    const auto target =
        !itself && concerns(*step.mailbox, local_domains_) ? aliases_.targets_.find(name) : aliases_.targets_.end();
    if (target == aliases_.targets_.end()) {
      out_.addresses.push_back(address);
      return;
    }
    if (!visited_.insert(name).second) return;
    for (const std::string& element : target->second.refused) {
      const bool list = base::istarts_with(element, include);
      out_.warnings.push_back("alias " + name + ": " + base::quote(element) + " is skipped: this program " +
                              (list ? "reads no lists from other files" : "runs no commands and writes no files"));
    }
    const auto& next = target->second.mailboxes;
    for (auto each = next.rbegin(); each != next.rend(); ++each) steps.push_back({&*each, &target->first});
  }

  const Aliases& aliases_;
  const std::vector<std::string>& local_domains_;
  std::set<std::string> visited_;
  Expansion out_;
};

bool Aliases::concerns(const mail::Mailbox& mailbox, const std::vector<std::string>& local_domains) {
  return is_local(mailbox.address, local_domains) && !mailbox.escaped;
}

Result<Aliases> Aliases::load(const std::string& path) {
  const auto unreadable = [&](const std::string& why) {
    return Error{Error::Kind::config, "aliases: " + base::visible(path) + ": " + why};
  };
  // Whatever lies there, nobody waits for it.
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return Aliases();
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return unreadable("can't be opened: " + std::generic_category().message(errno));
  }
  if (S_ISDIR(status.st_mode)) return unreadable("is a directory");
  if (S_ISFIFO(status.st_mode)) return unreadable("is a pipe");
  base::FileSource file(std::move(fd), base::visible(path));
  const auto text = base::read_all(file, largest_file);
  if (!text && text.error().kind == Error::Kind::data) return unreadable(text.error().text);
  if (!text) return Error{Error::Kind::config, "aliases: " + text.error().text};
  return parse(*text, path);
}

Aliases Aliases::parse(std::string_view text, const std::string& path) {
  Aliases aliases;
  const auto fault = [&](const Line& line, const std::string& what) {
    aliases.faults_.push_back(base::visible(path) + ":" + std::to_string(line.number) + ": " + what);
  };
  for (const Line& line : logical_lines(text)) {
    const std::size_t colon = colon_of(line.text);
    // In the form that an address has its local part in, which is what it is compared with.
    const auto name = mail::Address::make(unquoted(std::string_view(line.text).substr(0, colon)), "");
    if (colon == std::string::npos || !name) {
      fault(line, "is no alias; an alias is written \"name: address, ...\"");
      continue;
    }
    Target target;
    for (const std::string& element : elements(std::string_view(line.text).substr(colon + 1))) {
      const std::string bare = unquoted(element);
      if (is_delivery(bare)) {
        target.refused.push_back(bare);
        continue;
      }
      auto list = mail::parse_list(element);
      if (!list) {
        fault(line, list.error().text);
        continue;
      }
      for (mail::Mailbox& mailbox : *list) target.mailboxes.push_back(std::move(mailbox));
    }
    // Where nothing is left it names nobody: the name itself is not whom the mail was meant for.
    Target& all = aliases.targets_[base::lower(name->local())];
    all.mailboxes.insert(all.mailboxes.end(), target.mailboxes.begin(), target.mailboxes.end());
    all.refused.insert(all.refused.end(), target.refused.begin(), target.refused.end());
  }
  return aliases;
}

Aliases::Expansion Aliases::expand(const mail::Mailbox& mailbox, const std::vector<std::string>& local_domains) const {
  Walk walk(*this, local_domains);
  walk.visit(mailbox);
  Expansion expansion = walk.take();
  if (expansion.addresses.empty() && expansion.warnings.empty()) {
    expansion.warnings.push_back("alias " + mailbox.address.local() + ": it names nobody");
  }
  return expansion;
}

}  // namespace pillarbox::config
