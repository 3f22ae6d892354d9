// System: the one door to what the host says of itself and of us: names, identity, environment.
//
// A fake stands in for it in tests. Nothing here is looked up before it is asked for: a cron mail pays for every look.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"

namespace pillarbox::base {

class System {
 public:
  virtual ~System() = default;

  // gethostname(2)'s name, "localhost" if there is none.
  [[nodiscard]] virtual std::string host_name() const;
  // The fully qualified name: the host's name if it has a dot, else its canonical name if that has one, else the name.
  // Looked up once; the resolver may be asked.
  [[nodiscard]] virtual std::string fully_qualified_name() const;
  // The login of the real uid; "uid<N>" where the password file has none. temporary (75) if that can't be told now.
  [[nodiscard]] virtual Result<std::string> login() const;
  // The password file's full name of the real uid: its GECOS field up to the first comma, '&' being the login.
  [[nodiscard]] virtual std::string full_name() const;
  [[nodiscard]] virtual std::optional<std::string> environment(const std::string& name) const;
  // $HOME if it is an absolute path of a folder that may be looked into, else the password file's.
  [[nodiscard]] virtual std::optional<std::string> home() const;
  // The password file's folder of the real uid.
  [[nodiscard]] virtual std::optional<std::string> listed_home() const;

 private:
  struct Person {
    uid_t uid;
    std::string login, gecos, home;  // "": the password file does not have that
    int trouble = 0;                 // why it could not be asked: an errno
  };
  // What the password file says of the real uid, looked up once.
  [[nodiscard]] const Person& person() const;

  mutable std::optional<std::string> fully_qualified_;
  mutable std::optional<Person> person_;
};

// An unguessable word of 16 letters and digits, for a Message-ID.
std::string random_word();

// Nobody may look into this process from now on: no core file, no ptrace. Called before a secret is held.
void forbid_core_dumps() noexcept;

}  // namespace pillarbox::base
