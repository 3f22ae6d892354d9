// What the readers of the formats share: lines, directives, and a Draft, in which the directives of one account become
// its settings. What no reader has asked a draft for is unknown, and finish() says so: no directive gets lost silently.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/import.h"

namespace pillarbox::config {

struct Format {
  std::string_view program;
  std::string_view hint;  // is part of the file's or its folder's name
  // How many lines of a file of that name, without its folder, are of this format.
  std::size_t (*known_lines)(std::string_view text, std::string_view name);
  void (*read)(std::string_view text, const ReadFile& read_file, Imported& out);
};

const Format& msmtp_format();
const Format& esmtp_format();
const Format& ssmtp_format();
const Format& dma_format();
const Format& nullmailer_format();

struct Line {
  std::size_t number;
  std::string_view text;  // without blanks and line ends around it
};

// The lines that are neither empty nor comments ("#").
std::vector<Line> content_lines(std::string_view text);

// The first word of a text, which ends at one of the marks, and the rest without the blanks before it.
std::pair<std::string_view, std::string_view> first_word(std::string_view text, std::string_view marks = " \t");

struct Directive {
  std::size_t line = 0;
  std::string name;
  std::string value;
  std::string file = {};      // "": the imported one
  bool may_be_value = false;  // the name is no known one, and perhaps (part of) a password: it is not shown
};

using Directives = std::map<std::string, Directive, std::less<>>;  // by name

void note(Section& section, const Directive& directive, std::string why);
// One that is no single directive's.
void note(Section& section, std::string why);

// The later of two directives of one name counts; the other is noted.
void add(Directives& directives, Directive directive, Section& section);

class Draft {
 public:
  Draft(Directives directives, Section& out) : directives_(std::move(directives)), out_(out) {}

  // The directive of that name, which is dealt with from now on; null if there is none.
  const Directive* take(std::string_view name);
  [[nodiscard]] Section& out() { return out_; }

  // Sets a key to a string; notes it if the value can't stand in a configuration (control characters).
  bool set_text(const Directive& directive, const std::string& key, const std::string& value);
  // The same for a path; one that is relative is noted, for it means another place there.
  bool set_path(const Directive& directive, const std::string& key, const std::string& path);
  // Sets a key to the name or address of a host.
  bool set_host(const Directive& directive, const std::string& key, std::string_view host);
  // The domain of bare names, and the name for EHLO.
  bool set_domain(const Directive& directive, const std::string& domain);
  bool set_helo(const Directive& directive, const std::string& helo);
  // The host's own name, which is both.
  bool set_host_name(const Directive& directive, const std::string& name);
  // A numeric address of this host.
  void set_source(const Directive& directive);
  bool set_address(const Directive& directive, const std::string& key, const std::string& address);
  // A number in that range, or a note.
  std::optional<int> number(const Directive& directive, std::string_view text, int low, int high);

  // What becomes of a directive if it is there and has a value.
  void text(std::string_view name, const std::string& key);
  void path(std::string_view name, const std::string& key);
  void host(std::string_view name, const std::string& key);
  void domain(std::string_view name);
  void helo(std::string_view name);
  // It is not carried over, and this is why.
  void lost(std::string_view name, const std::string& why);

  // A login, complete or not at all: for one directive that names the user and one that has the password.
  void login(const Directive* user, const Directive* password);
  // Notes what Pillarbox does otherwise: a login without TLS, certificates that were not checked, a key alone.
  void finish_tls(std::string_view program, bool checked_certificates);
  // Notes every directive that nobody has taken.
  void finish(std::string_view program);

 private:
  Directives directives_;
  std::set<std::string, std::less<>> taken_;
  Section& out_;
};

// "host:port", an IPv6 address in brackets.
std::string place(const std::string& host, int port);

}  // namespace pillarbox::config
