#include "app/report.h"

#include <sysexits.h>

#include <cstdio>

#include "base/text.h"

namespace pillarbox::app {

int exit_code(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::usage:
      return EX_USAGE;
    case Error::Kind::data:
      return EX_DATAERR;
    case Error::Kind::no_input:
      return EX_NOINPUT;
    case Error::Kind::no_user:
      return EX_NOUSER;
    case Error::Kind::no_host:
      return EX_NOHOST;
    case Error::Kind::unavailable:
      return EX_UNAVAILABLE;
    case Error::Kind::internal:
      return EX_SOFTWARE;
    case Error::Kind::system:
      return EX_OSERR;
    case Error::Kind::cannot_create:
      return EX_CANTCREAT;
    case Error::Kind::io:
      return EX_IOERR;
    case Error::Kind::temporary:
      return EX_TEMPFAIL;
    case Error::Kind::protocol:
      return EX_PROTOCOL;
    case Error::Kind::no_permission:
      return EX_NOPERM;
    case Error::Kind::config:
      return EX_CONFIG;
  }
  return EX_SOFTWARE;
}

std::string_view exit_name(int code) {
  switch (code) {
    case EX_OK:
      return "EX_OK";
    case EX_USAGE:
      return "EX_USAGE";
    case EX_DATAERR:
      return "EX_DATAERR";
    case EX_NOINPUT:
      return "EX_NOINPUT";
    case EX_NOUSER:
      return "EX_NOUSER";
    case EX_NOHOST:
      return "EX_NOHOST";
    case EX_UNAVAILABLE:
      return "EX_UNAVAILABLE";
    case EX_SOFTWARE:
      return "EX_SOFTWARE";
    case EX_OSERR:
      return "EX_OSERR";
    case EX_CANTCREAT:
      return "EX_CANTCREAT";
    case EX_IOERR:
      return "EX_IOERR";
    case EX_TEMPFAIL:
      return "EX_TEMPFAIL";
    case EX_PROTOCOL:
      return "EX_PROTOCOL";
    case EX_NOPERM:
      return "EX_NOPERM";
    case EX_CONFIG:
      return "EX_CONFIG";
    default:
      return "EX_UNKNOWN";
  }
}

void Tally::add(Error::Kind kind) {
  if (kind == Error::Kind::temporary) {
    temporary_ = true;
  } else if (!permanent_) {
    permanent_ = kind;
  }
}

int Tally::exit_code() const {
  if (permanent_) return app::exit_code(*permanent_);
  return temporary_ ? EX_TEMPFAIL : EX_OK;
}

void complain(std::string_view name, std::string_view text) {
  const std::string line = std::string(name) + ": " + base::visible(text) + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void complain(std::string_view name, const Error& error) {
  // A configuration's faults are a line each. Elsewhere a line end can only be somebody's file name.
  if (error.kind == Error::Kind::config) {
    for (const std::string_view line : base::split(error.text, '\n')) complain(name, line);
  } else {
    complain(name, error.text);
  }
  if (!error.hint.empty()) complain(name, "  " + error.hint);
}

Error about(const std::string& file, Error error) {
  return error.text.starts_with(file + ": ") ? error : std::move(error).in(file);
}

int fail(std::string_view name, const Error& error) {
  complain(name, error);
  return exit_code(error.kind);
}

Result<void> flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return unwritten();
}

Error unwritten() {
  return {Error::Kind::io, "standard output can't be written"};
}

}  // namespace pillarbox::app
