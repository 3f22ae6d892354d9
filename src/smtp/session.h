// Session: one libcurl handle and what it talks to. It connects, greets, secures and logs in (libcurl does that), feeds
// the dialogue from libcurl's callbacks, obeys its verdict, and keeps the deadlines.
//
// Three callbacks, three jobs: the header callback gets each reply line before libcurl acts on it, and is the brake;
// the debug callback gets each command; the read callback delivers the message. What libcurl does not see is watched
// here: a lost connection or an unasked reply before each write (RFC 5321 section 4.2.1's 421 comes that way), and
// silence.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/held_signals.h"
#include "base/result.h"
#include "mail/message.h"
#include "smtp/dialogue.h"
#include "smtp/endpoint.h"
#include "smtp/tls.h"

namespace pillarbox::smtp {

class Session {
 public:
  // Sets libcurl up; nothing is connected yet. config (78) or internal (70) if libcurl lacks what is asked of it.
  static Result<std::unique_ptr<Session>> make(Endpoint endpoint, View& view);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Runs one transfer that the caller has set up on the handle: connects first where there is no connection, sends body
  // after DATA. With last the connection is closed in good order afterwards. What came of it is in the dialogue.
  void run(mail::Message* body, bool last);

  // Ends the connection with QUIT, if there is one.
  void close();

  // A signal ends the conversation as a failure does, but for a final dot that has been said: its reply is waited for,
  // unless another signal comes.
  void heed(base::HeldSignals* signals) { signals_ = signals; }

  // Connects, secures and logs in, and leaves the connection to a Channel. False: the dialogue knows why.
  bool open();

  [[nodiscard]] Dialogue& dialogue() { return dialogue_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] bool connected() const { return !sockets_.empty(); }
  [[nodiscard]] const Connection& connection() const { return dialogue_.connection(); }
  // The host that is talked to: the endpoint's, or one of its others.
  [[nodiscard]] const std::string& host() const { return server_ == 0 ? endpoint_.host : other().host; }

  // Sets an option of the handle; a failure is kept and ends the next run.
  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy_.get(), option, value);
    if (code != CURLE_OK && trouble_ == CURLE_OK) trouble_ = code;
  }

 private:
  friend class Channel;  // speaks on the connection that was opened

  struct EasyDeleter {
    void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
  };
  struct MultiDeleter {
    void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
  };

  struct ListDeleter {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };

  Session(Endpoint endpoint, View& view);
  Result<void> set_up();
  void set_up_server();
  void transfer();
  bool another_way(std::size_t first);
  [[nodiscard]] const Server& other() const { return endpoint_.others[server_ - 1]; }
  [[nodiscard]] const std::optional<Login>& login() const {
    return server_ == 0 || !other().login ? endpoint_.login : other().login;
  }
  void set_up_tls();
  void set_up_way();
  Result<void> set_up_login();

  void begin_connecting();
  void let_go() noexcept;
  void loop();
  bool watch();
  void time_out(Phase phase);
  [[nodiscard]] bool hung_up() const;
  bool spared();
  [[nodiscard]] bool stopped() const;
  void explain(CURLcode code);
  [[nodiscard]] Failure::Cause resolver_trouble() const;
  [[nodiscard]] Error::Kind kind_of_setting(CURLcode code) const;
  void notice_connection();
  void notice_tls();
  [[nodiscard]] void* openssl() const;
  bool stale_connection();
  [[nodiscard]] bool countable() const;
  [[nodiscard]] bool at_proxy() const;
  bool unread();
  bool hear_unasked(int socket);
  std::optional<std::string> receive(int socket);
  void drop_connections() noexcept;
  [[nodiscard]] int socket() const { return sockets_.empty() ? -1 : sockets_.back(); }
  [[nodiscard]] base::Instant deadline() const;
  void progress(std::size_t octets = 0);  // so many of a body's were taken
  void begin_body();
  [[nodiscard]] base::Instant end_of_body(int pieces) const;
  void limit_replies(std::chrono::milliseconds time);

  // What the C callbacks do; an exception must not cross libcurl.
  [[nodiscard]] bool broken() const;
  std::size_t deliver(std::span<char> out);
  std::size_t hear(std::string_view line);
  void overhear(curl_infotype type, std::string_view text);

  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_header(char* line, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_write(char* text, std::size_t size, std::size_t count, void* self) noexcept;
  static int on_debug(CURL* easy, curl_infotype type, char* text, std::size_t size, void* self) noexcept;
  static CURLcode on_ssl_context(CURL* easy, void* context, void* self) noexcept;
  static int on_socket(void* self, curl_socket_t socket, curlsocktype purpose) noexcept;
  static int on_close(void* self, curl_socket_t socket) noexcept;
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept;
  template <class Action>
  auto guarded(Action action, decltype(action()) stop) noexcept -> decltype(action());

  Endpoint endpoint_;
  std::size_t server_ = 0;      // of its hosts
  bool another_tried_ = false;  // mechanism
  Dialogue dialogue_;
  std::unique_ptr<CURLM, MultiDeleter> multi_;
  std::unique_ptr<CURL, EasyDeleter> easy_;
  std::unique_ptr<curl_slist, ListDeleter> detour_;
  base::HeldSignals* signals_ = nullptr;
  CertificateWatch watch_;              // of what the server shows
  std::optional<Presented> presented_;  // by the server, when a certificate was looked at last
  std::string error_text_;              // libcurl writes here (CURL_ERROR_SIZE)
  CURLcode trouble_ = CURLE_OK;
  std::vector<int> sockets_;  // open ones; while connecting there may be two
  bool connecting_ = false;   // the dialogue knows that a connection is being made
  bool held_ = false;         // a connection of open()'s stands
  bool announced_ = false;    // the connection was noticed
  bool secure_ = false;       // and its TLS
  bool peer_closed_ = false;  // the connection that was closed last had been closed, or reset, by the server
  std::uint64_t heard_ = 0;   // bytes of replies on this connection
  mail::Message* body_ = nullptr;
  base::Instant progress_;            // a command, a reply or a piece of the body was the last
  base::Instant begun_;               // the envelope at hand was
  base::Instant::duration waited_{};  // while its body was on its way
  std::uint64_t taken_ = 0;           // bytes of that body
  bool spared_ = false;               // its time was over, and what had come in it was read
};

}  // namespace pillarbox::smtp
