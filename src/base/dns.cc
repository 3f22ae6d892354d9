#include "base/dns.h"

#include <arpa/nameser.h>
#include <dlfcn.h>
#include <netdb.h>
#include <resolv.h>

#include <array>
#include <cstring>
#include <memory>

namespace pillarbox::base {
namespace {

// A resolver's state, which is the system's own until it is told otherwise.
class State {
 public:
  State() : ready_(::res_ninit(&state_) == 0) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (ready_) ::res_nclose(&state_);
  }

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] res_state get() { return &state_; }

  void ask(const sockaddr_in& server) {
    state_.nscount = 1;
    state_.nsaddr_list[0] = server;
    state_.retrans = 2;  // seconds
    state_.retry = 2;
  }

 private:
  struct __res_state state_ {};
  bool ready_;
};

// What takes answers apart is in a library of its own, which no other run of the program needs.
struct Parser {
  decltype(&::ns_initparse) begin = nullptr;
  decltype(&::ns_parserr) record = nullptr;

  static std::optional<Parser> load() {
    void* const library = ::dlopen("libresolv.so.2", RTLD_LAZY | RTLD_LOCAL);
    if (!library) return std::nullopt;
    const Parser parser{reinterpret_cast<decltype(begin)>(::dlsym(library, "ns_initparse")),
                        reinterpret_cast<decltype(record)>(::dlsym(library, "ns_parserr"))};
    return parser.begin && parser.record ? std::optional(parser) : std::nullopt;
  }
};

Error garbled(const std::string& name) {
  return {Error::Kind::protocol, name + ": the name server's answer can't be read"};
}

// Priority, weight and port, 16 bits each, then the target (RFC 2782).
Result<Srv> read(const ns_msg& message, const ns_rr& record, const std::string& name) {
  constexpr std::size_t fixed = 6;
  const unsigned char* data = ns_rr_rdata(record);
  if (ns_rr_rdlen(record) <= fixed) return garbled(name);
  std::array<char, NS_MAXDNAME> target{};
  if (::dn_expand(ns_msg_base(message), ns_msg_end(message), data + fixed, target.data(), target.size()) < 0) {
    return garbled(name);
  }
  const auto number = [&](std::size_t at) { return data[at] << 8U | data[at + 1]; };
  return Srv{.priority = number(0), .weight = number(2), .port = number(4), .target = target.data()};
}

}  // namespace

Result<std::vector<Srv>> Dns::srv(const std::string& name) const {
  State state;
  const auto parser = Parser::load();
  if (!parser) return Error{Error::Kind::system, "libresolv.so.2 can't be loaded"};
  if (!state.ready()) return Error{Error::Kind::temporary, "the resolver can't be set up"};
  if (server_) state.ask(*server_);
  std::vector<unsigned char> answer(NS_MAXMSG);
  const int size = ::res_nquery(state.get(), name.c_str(), ns_c_in, ns_t_srv, answer.data(), NS_MAXMSG);
  if (size < 0) {
    const int why = state.get()->res_h_errno;
    if (why == HOST_NOT_FOUND || why == NO_DATA) return std::vector<Srv>();
    return Error{Error::Kind::temporary, name + ": no name server has answered"};
  }
  ns_msg message;
  if (parser->begin(answer.data(), size, &message) < 0) return garbled(name);
  std::vector<Srv> found;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (parser->record(&message, ns_s_an, i, &record) < 0) return garbled(name);
    if (ns_rr_type(record) != ns_t_srv) continue;  // an alias on the way
    auto each = read(message, record, name);
    if (!each) return std::move(each).error();
    found.push_back(*std::move(each));
  }
  return found;
}

}  // namespace pillarbox::base
