#include "smtp/session.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include "base/text.h"
#include "smtp/libcurl.h"
#include "smtp/outcome.h"
#include "smtp/socket.h"

namespace pillarbox::smtp {
namespace {

using std::chrono::milliseconds;

constexpr long libcurl_waits = 86400;  // seconds: the deadlines are ours
constexpr long read_buffer = 262144;   // a reply of 64 KiB in one line must reach us whole, to be refused
constexpr std::size_t stop_header = 0;
constexpr int replies_of_envelope = 12;          // the time of so many is enough for all of one
constexpr int pieces_of_body = 12;               // and of so many silences for all of one
constexpr std::uint64_t least_rate = 16384;      // bytes of it for which a server has a second besides
constexpr std::uint64_t longest_goodbye = 4096;  // bytes; an unasked 421 is far shorter

struct Mechanism {
  std::string_view name;  // as settings have it; SASL's name but for its case
  int feature;            // of libcurl's, that it needs
  bool safe_by_default;   // one of those that "auto" stands for
};
// In libcurl's order of preference among those of "auto": CRAM-MD5, PLAIN, LOGIN.
constexpr std::array<Mechanism, 9> mechanisms = {{{"plain", 0, true},
                                                  {"login", 0, true},
                                                  {"cram-md5", 0, true},
                                                  {"scram-sha-256", CURL_VERSION_GSASL, false},
                                                  {"external", 0, false},
                                                  {"xoauth2", 0, false},
                                                  {"oauthbearer", 0, false},
                                                  {"gssapi", CURL_VERSION_KERBEROS5, false},
                                                  {"ntlm", CURL_VERSION_NTLM, false}}};

// SASL's names of the mechanisms that a login may use.
std::vector<std::string> sasl_names(const std::optional<Login>& login) {
  std::vector<std::string> names;
  for (const Mechanism& mechanism : mechanisms) {
    const bool wanted =
        login && (login->mechanism == mechanism.name || (login->mechanism == "auto" && mechanism.safe_by_default));
    if (wanted) names.push_back(base::upper(mechanism.name));
  }
  return names;
}

bool is_bearer(std::string_view mechanism) {
  return mechanism == "xoauth2" || mechanism == "oauthbearer";
}

long version_of(TlsVersion version) {
  switch (version) {
    case TlsVersion::any:
      return CURL_SSLVERSION_DEFAULT;
    case TlsVersion::v1_0:
      return CURL_SSLVERSION_TLSv1_0;
    case TlsVersion::v1_1:
      return CURL_SSLVERSION_TLSv1_1;
    case TlsVersion::v1_2:
      return CURL_SSLVERSION_TLSv1_2;
    case TlsVersion::v1_3:
      return CURL_SSLVERSION_TLSv1_3;
  }
  return CURL_SSLVERSION_TLSv1_2;
}

// The outcome is known by then.
bool parting(Phase phase) {
  return phase == Phase::rset || phase == Phase::quit;
}

bool certificate_trouble(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH ||
         code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS;
}

// Was it the connection that failed, and not TLS? Of that OpenSSL would say more than that it had ended.
bool broken_off(std::string_view text) {
  return text.find("error:") == std::string_view::npos || text.find("unexpected eof") != std::string_view::npos;
}

// Of TLS 1.3 the client's part ends first: what the server has against it is heard in place of the next reply.
bool refused_by_alert(std::string_view text, Phase phase) {
  return phase <= Phase::auth && text.find("error:") != std::string_view::npos &&
         text.find(" alert ") != std::string_view::npos;
}

// Of a line of five octets libcurl believes that a reply ends there ("250-" and a bare LF), of four that it goes on.
bool is_misread(std::string_view line) {
  return line.size() > 3 && line.size() <= 5 && !line.ends_with("\r\n") && line[3] != ' ';
}

// A proxy's answers aren't SMTP.
constexpr bool proxy_trouble(CURLcode code) {
  return code == CURLE_PROXY || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_RECV_ERROR ||
         code == CURLE_GOT_NOTHING || code == CURLE_COULDNT_CONNECT;
}

}  // namespace

std::span<const std::string_view> known_mechanisms() {
  static constexpr auto names = [] {
    std::array<std::string_view, mechanisms.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = mechanisms[i].name;
    return all;
  }();
  return names;
}

Result<std::unique_ptr<Session>> Session::make(Endpoint endpoint, View& view) {
  if (auto loaded = load_libcurl(); !loaded) return std::move(loaded).error();
  std::unique_ptr<Session> session(new Session(std::move(endpoint), view));
  if (auto ready = session->set_up(); !ready) return std::move(ready).error();
  return session;
}

Session::Session(Endpoint endpoint, View& view)
    : endpoint_(std::move(endpoint)),
      dialogue_({.several_hosts = !endpoint_.others.empty(),
                 .tls_wanted = endpoint_.tls.mode == TlsMode::opportunistic || endpoint_.tls.mode == TlsMode::required,
                 .tls_required = endpoint_.tls.mode == TlsMode::required,
                 .login = endpoint_.login.has_value(),
                 .cleartext_login = endpoint_.allow_cleartext_login,
                 .mechanisms = sasl_names(endpoint_.login),
                 .show_secrets = endpoint_.show_secrets},
                view),
      multi_(curl_multi_init()),
      easy_(curl_easy_init()),
      error_text_(CURL_ERROR_SIZE, '\0') {}

Session::~Session() {
  drop_connections();
  let_go();
  easy_.reset();
  multi_.reset();  // closes the connections, which on_close() hears of
}

// A connection that is past use: libcurl, which still has it, can write nothing into it any more, and does not wait.
void Session::drop_connections() noexcept {
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  sockets_.clear();
  announced_ = secure_ = false;
}

Result<void> Session::set_up() {
  if (!multi_ || !easy_) return Error{Error::Kind::temporary, "no memory for libcurl"};
  set_up_server();
  set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set_up_way();
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // don't wait for a resolver that hangs
  set(CURLOPT_BUFFERSIZE, read_buffer);
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_SERVER_RESPONSE_TIMEOUT, libcurl_waits);
  set(CURLOPT_VERBOSE, 1L);  // the debug callback is the ledger's ear, and prints nothing
  set(CURLOPT_DEBUGFUNCTION, &Session::on_debug);
  set(CURLOPT_DEBUGDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Session::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Session::on_write);
  set(CURLOPT_READFUNCTION, &Session::on_read);
  set(CURLOPT_READDATA, this);
  set(CURLOPT_XFERINFOFUNCTION, &Session::on_progress);
  set(CURLOPT_XFERINFODATA, this);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_SOCKOPTFUNCTION, &Session::on_socket);
  set(CURLOPT_SOCKOPTDATA, this);
  set(CURLOPT_CLOSESOCKETFUNCTION, &Session::on_close);
  set(CURLOPT_CLOSESOCKETDATA, this);
  set_up_tls();
  if (endpoint_.login) {
    if (auto possible = set_up_login(); !possible) return possible;
  }
  if (trouble_ == CURLE_OK) return {};
  return Error{kind_of_setting(trouble_),
               std::string("libcurl can't do what is asked: ") + curl_easy_strerror(trouble_)};
}

// libcurl looks for the URL's host in the certificate. Where another name must be there, that one stands in the URL,
// and the connection goes to the host all the same.
void Session::set_up_server() {
  const auto in_url = [](const std::string& host) {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
  };
  const Tls& tls = endpoint_.tls;
  const std::string port = std::to_string(server_ == 0 ? endpoint_.port : other().port);
  const std::string host = in_url(this->host());
  const std::string name = tls.name.empty() || tls.mode == TlsMode::none ? host : in_url(tls.name);
  const std::unique_ptr<char, decltype(&curl_free)> helo(
      curl_easy_escape(easy_.get(), endpoint_.helo.data(), static_cast<int>(endpoint_.helo.size())), curl_free);
  const std::string scheme = tls.mode == TlsMode::implicit ? "smtps" : "smtp";
  set(CURLOPT_URL, (scheme + "://" + name + ":" + port + "/" + (helo ? helo.get() : "")).c_str());
  std::unique_ptr<curl_slist, ListDeleter> detour;
  if (name != host) {
    detour.reset(curl_slist_append(nullptr, (name + ":" + port + ":" + host + ":" + port).c_str()));
    if (!detour) trouble_ = CURLE_OUT_OF_MEMORY;
  }
  set(CURLOPT_CONNECT_TO, detour.get());
  detour_ = std::move(detour);
}

// By which way the server is reached.
void Session::set_up_way() {
  set(CURLOPT_PROXY, endpoint_.proxy ? endpoint_.proxy->url.reveal().c_str() : "");  // "", or ALL_PROXY diverts us
  set(CURLOPT_NOPROXY, "");                                                          // nor does NO_PROXY
  set(CURLOPT_HTTPPROXYTUNNEL, 1L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  const bool v6 = endpoint_.family == Family::v6 || endpoint_.source_address.find(':') != std::string::npos;
  const bool v4 = !v6 && (endpoint_.family == Family::v4 || !endpoint_.source_address.empty());
  set(CURLOPT_IPRESOLVE, static_cast<long>(v6 ? CURL_IPRESOLVE_V6 : v4 ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_WHATEVER));
  if (!endpoint_.source_address.empty()) set(CURLOPT_INTERFACE, ("host!" + endpoint_.source_address).c_str());
}

// The one place where verification is decided.
void Session::set_up_tls() {
  const Tls& tls = endpoint_.tls;
  const long mode = tls.mode == TlsMode::opportunistic ? CURLUSESSL_TRY
                    : tls.mode == TlsMode::none        ? CURLUSESSL_NONE
                                                       : CURLUSESSL_ALL;
  // Trace, and the look for early replies under TLS, ask OpenSSL.
  const char* library = curl_version_info(CURLVERSION_NOW)->ssl_version;
  if (mode != CURLUSESSL_NONE && (!library || !std::strstr(library, "OpenSSL"))) trouble_ = CURLE_NOT_BUILT_IN;
  set(CURLOPT_USE_SSL, mode);
  set(CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  set(CURLOPT_SSLVERSION, version_of(tls.at_least));
  if (mode != CURLUSESSL_NONE) {
    watch_ = [this](Presented presented) { dialogue_.presented(presented_.emplace(std::move(presented))); };
    set(CURLOPT_SSL_CTX_FUNCTION, &Session::on_ssl_context);
    set(CURLOPT_SSL_CTX_DATA, this);
  }
  if (!tls.pins.empty()) set(CURLOPT_PINNEDPUBLICKEY, tls.pins.c_str());
  if (!tls.ca_file.empty()) {
    set(CURLOPT_CAINFO, tls.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // that file and no other authority
  }
  if (!tls.crl_file.empty()) set(CURLOPT_CRLFILE, tls.crl_file.c_str());
  if (!tls.ciphers.empty()) set(CURLOPT_SSL_CIPHER_LIST, tls.ciphers.c_str());
  if (tls.certificate.empty()) return;
  set(CURLOPT_SSLCERT, tls.certificate.c_str());
  set(CURLOPT_SSLKEY, tls.key.empty() ? tls.certificate.c_str() : tls.key.c_str());
  set(CURLOPT_KEYPASSWD, "");  // or OpenSSL asks the terminal for an encrypted key's
}

Result<void> Session::set_up_login() {
  const Login& login = *this->login();
  const int has = curl_version_info(CURLVERSION_NOW)->features;
  for (const Mechanism& mechanism : mechanisms) {
    if (login.mechanism == mechanism.name && (has & mechanism.feature) != mechanism.feature) {
      return Error{Error::Kind::config, "this libcurl was built without " + base::upper(mechanism.name)};
    }
  }
  set(CURLOPT_USERNAME, login.user.c_str());
  set(CURLOPT_PASSWORD, login.password.reveal().c_str());
  if (is_bearer(login.mechanism)) set(CURLOPT_XOAUTH2_BEARER, login.password.reveal().c_str());
  set(CURLOPT_SASL_IR, 1L);
  std::string options;
  for (const std::string& name : dialogue_.mechanisms()) options += (options.empty() ? "AUTH=" : ";AUTH=") + name;
  set(CURLOPT_LOGIN_OPTIONS, options.c_str());
  // Should the server send it back, in the clear or as AUTH LOGIN has it.
  base::Secret encoded(base::base64(login.password.reveal()));
  dialogue_.conceal(login.password.reveal());
  dialogue_.conceal(std::string_view(encoded.reveal()).substr(0, encoded.reveal().find('=')));
  return {};
}

void Session::run(mail::Message* body, bool last) {
  body_ = body;
  set(CURLOPT_FORBID_REUSE, last ? 1L : 0L);
  const bool stale = connected() && stale_connection();
  if (stale) drop_connections();
  const bool stands = connected();
  const std::size_t first = server_;
  do {
    transfer();
  } while (!stands && another_way(first));
  body_ = nullptr;
}

void Session::transfer() {
  // Without a connection of ours that stands: libcurl might still know one that was dropped.
  set(CURLOPT_FRESH_CONNECT, connected() ? 0L : 1L);
  limit_replies(std::chrono::seconds(libcurl_waits));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(endpoint_.timeouts.connect.count()));
  if (trouble_ != CURLE_OK) {
    dialogue_.fail({.cause = Failure::Cause::local,
                    .phase = Phase::connect,
                    .text = curl_easy_strerror(trouble_),
                    .kind = kind_of_setting(trouble_)});
    return;
  }
  error_text_.assign(CURL_ERROR_SIZE, '\0');
  progress();
  connecting_ = false;
  if (!connected()) begin_connecting();
  loop();
}

// Whether a connection that came to nothing is worth another try: by the next host if there is one, and once by another
// mechanism if the server does not like the first (504, 534). A password that was refused is not tried again.
bool Session::another_way(std::size_t first) {
  const auto& failure = dialogue_.failure();
  if (!failure) return false;
  const int code =
      failure->cause == Failure::Cause::refused && failure->phase == Phase::auth ? failure->reply->code : 0;
  if ((code == 504 || code == 534) && !another_tried_ && dialogue_.avoid_mechanism()) {
    another_tried_ = true;
  } else {
    const std::size_t next = (server_ + 1) % (endpoint_.others.size() + 1);
    if (!smtp::judge(*failure).elsewhere || next == first) return false;
    server_ = next;
    set_up_server();
  }
  drop_connections();
  if (held_) curl_multi_remove_handle(multi_.get(), easy_.get());
  dialogue_.try_again(smtp::judge(*failure).text);
  return !endpoint_.login || set_up_login();
}

// A new connection is on its way, of which the dialogue hears once.
void Session::begin_connecting() {
  if (std::exchange(connecting_, true)) return;
  dialogue_.connecting(host());
  heard_ = 0;
  peer_closed_ = secure_ = false;
  presented_.reset();
}

bool Session::open() {
  set(CURLOPT_CONNECT_ONLY, 1L);
  held_ = true;
  dialogue_.begin_transaction(0, std::nullopt);
  run(nullptr, false);
  // Of a server that closes right behind its answer libcurl says that the connection is there.
  if (!connected()) dialogue_.fail({.cause = Failure::Cause::lost, .phase = dialogue_.phase()});
  if (dialogue_.failure()) let_go();
  return held_;
}

// Ends the life of a connection that libcurl has opened for us.
void Session::let_go() noexcept {
  if (!std::exchange(held_, false)) return;
  drop_connections();
  curl_multi_remove_handle(multi_.get(), easy_.get());
  curl_easy_setopt(easy_.get(), CURLOPT_CONNECT_ONLY, 0L);
}

void Session::close() {
  if (held_ || !connected() || stale_connection()) return;
  // libcurl says QUIT only after a transfer; RSET is the one that does nothing.
  set(CURLOPT_UPLOAD, 0L);
  set(CURLOPT_MAIL_RCPT, static_cast<curl_slist*>(nullptr));
  set(CURLOPT_CUSTOMREQUEST, "RSET");
  dialogue_.begin_transaction(0, std::nullopt);
  run(nullptr, true);
}

void Session::loop() {
  curl_multi_add_handle(multi_.get(), easy_.get());
  int running = 1;
  while (running > 0) {
    int active = 0;
    if (curl_multi_perform(multi_.get(), &active) != CURLM_OK) break;
    running = active;
    if (running == 0) break;
    // While the body goes out libcurl waits for room to write and does not listen.
    const bool in_body = dialogue_.phase() == Phase::body;
    std::array<curl_waitfd, 2> ears = {
        {{.fd = signals_ ? signals_->descriptor() : -1, .events = CURL_WAIT_POLLIN, .revents = 0},
         {.fd = socket(), .events = CURL_WAIT_POLLIN, .revents = 0}}};
    const auto left = std::chrono::duration_cast<milliseconds>(deadline() - base::Instant::clock::now());
    const auto wait = std::clamp<milliseconds::rep>(left.count() + 1, 0, 1000);
    const unsigned count = in_body && socket() >= 0 ? 2 : 1;
    const auto begun = base::Instant::clock::now();
    curl_multi_poll(multi_.get(), ears.data(), count, static_cast<int>(wait), nullptr);
    waited_ += base::Instant::clock::now() - begun;
    notice_connection();
    notice_tls();
    if (hung_up()) {
      dialogue_.fail({.cause = Failure::Cause::lost, .phase = dialogue_.phase()});
      break;
    }
    if (!watch()) break;
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE && message->data.result != CURLE_OK) explain(message->data.result);
  }
  // A transfer that is not done must end without another byte. libcurl would take its removal for the end of the body
  // and write the final dot, so the sockets are shut first.
  if (running > 0) drop_connections();
  // A connection that is ours to speak on lives as long as the handle stays.
  if (!held_) curl_multi_remove_handle(multi_.get(), easy_.get());
}

// Looks at what libcurl does not: false ends the transfer.
bool Session::watch() {
  notice_connection();
  const int fd = socket();
  if (announced_ && dialogue_.phase() == Phase::body && waiting(fd) != Waiting::nothing) {
    return hear_unasked(fd);
  }
  if (!stopped() && (base::Instant::clock::now() < deadline() || spared())) return true;
  if (stopped()) {
    dialogue_.fail({.cause = Failure::Cause::stopped, .phase = dialogue_.phase()});
  } else {
    time_out(dialogue_.phase());
  }
  return false;
}

// Where the server was never heard, it may be the proxy that is silent: nobody can tell.
void Session::time_out(Phase phase) {
  dialogue_.fail({.cause = Failure::Cause::timeout,
                  .phase = phase,
                  .text = at_proxy() ? "nothing has come through the proxy " + endpoint_.proxy->name : ""});
}

// The server has hung up, and libcurl would find out by reading, and then write QUIT into the half-closed socket.
bool Session::hung_up() const {
  return announced_ && !at_proxy() && dialogue_.phase() != Phase::body && waiting(socket()) == Waiting::end;
}

// What came in time is not late because we were kept from reading it (a stopped job, a busy machine). Once for each
// command: a server that dribbles gains no more than that by it.
bool Session::spared() {
  return announced_ && !std::exchange(spared_, true) && waiting(socket()) == Waiting::bytes;
}

bool Session::stopped() const {
  const unsigned signals = signals_ ? signals_->count() : 0;
  return signals > 1 || (signals == 1 && !dialogue_.awaits_acceptance());
}

// When the silence has lasted too long. It counts from the last command, connection, whole reply or piece of the body,
// not from the last byte heard: a server that dribbles a reply gains no time by it.
base::Instant Session::deadline() const {
  const Timeouts& times = endpoint_.timeouts;
  switch (dialogue_.awaited().value_or(dialogue_.phase())) {
    case Phase::connect:
      return progress_ + times.connect;
    case Phase::body:
    case Phase::chunk:
      return std::min(progress_ + times.data, end_of_body(pieces_of_body));
    case Phase::dot:  // and the last of the body may be on its way
      return std::min(progress_ + times.data, end_of_body(pieces_of_body + 1));
    case Phase::quit:
      return progress_ + times.quit;
    case Phase::rset:  // between two messages, or close()'s
      return progress_ + (held_ ? times.reply : times.quit);
    default:
      // However many recipients a message has: a server that takes its time with each is given up as well.
      return dialogue_.handed_over() ? progress_ + times.reply
                                     : std::min(progress_ + times.reply, begun_ + replies_of_envelope * times.reply);
  }
}

// When we shall have waited too long for the server to take a body, the time of whoever writes it not counted. A large
// one may take long, but a server that reads it byte by byte gains nothing by it.
base::Instant Session::end_of_body(int pieces) const {
  const std::chrono::seconds for_its_size(taken_ / least_rate);
  return base::Instant::clock::now() + pieces * endpoint_.timeouts.data + for_its_size - waited_;
}

void Session::progress(std::size_t octets) {
  progress_ = base::Instant::clock::now();
  spared_ = false;
  taken_ += octets;
  const Phase phase = dialogue_.phase();
  if (phase != Phase::rcpt && phase != Phase::data) begun_ = progress_;
  if (phase != Phase::body && phase != Phase::chunk && phase != Phase::dot) begin_body();
}

void Session::begin_body() {
  waited_ = {};
  taken_ = 0;
}

// libcurl waits for the dot's and QUIT's replies by itself, out of our loop: its own limit bounds those.
void Session::limit_replies(milliseconds time) {
  set(CURLOPT_SERVER_RESPONSE_TIMEOUT, static_cast<long>((time.count() + 999) / 1000));
}

void Session::explain(CURLcode code) {
  // What becomes of QUIT is no trouble, but libcurl says it after a trouble as well: the reply that is missing tells.
  const Phase phase = dialogue_.awaited().value_or(dialogue_.phase());
  if (phase == Phase::quit || (phase == Phase::rcpt && dialogue_.settled() && !dialogue_.record().granted())) return;
  std::string text = error_text_[0] ? error_text_.c_str() : curl_easy_strerror(code);
  const auto failed = [&](Failure::Cause cause, Error::Kind kind = Error::Kind::internal) {
    if (cause == Failure::Cause::lost) text.clear();  // libcurl's and OpenSSL's way to find out
    dialogue_.fail({.cause = cause, .phase = phase, .text = text, .kind = kind});
  };
  if (certificate_trouble(code)) {
    const bool pin = code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
    if (presented_) text += "; " + (pin ? clue_for_pin(*presented_) : clue(*presented_));
    return failed(Failure::Cause::certificate);
  }
  if (endpoint_.proxy && phase <= Phase::greeting && proxy_trouble(code)) {
    if (text.starts_with("Too large response header")) text = "the proxy's answer has no end";
    return failed(Failure::Cause::unreachable);
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return failed(resolver_trouble());
    case CURLE_COULDNT_CONNECT:
      return failed(Failure::Cause::unreachable);
    case CURLE_OPERATION_TIMEDOUT:
      return time_out(phase);
    case CURLE_SSL_CONNECT_ERROR:
      if (!broken_off(text)) return failed(Failure::Cause::tls_failed);
      return failed(Failure::Cause::lost);
    case CURLE_USE_SSL_FAILED:
      return failed(Failure::Cause::tls_not_offered);
    case CURLE_LOGIN_DENIED:
      if (dialogue_.give_up_challenge()) return;
      return failed(Failure::Cause::auth_not_offered);
    case CURLE_WEIRD_SERVER_REPLY:
      return failed(Failure::Cause::protocol);
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ENGINE_NOTFOUND:
      return failed(Failure::Cause::local, kind_of_setting(code));
    case CURLE_OUT_OF_MEMORY:
      return failed(Failure::Cause::local, Error::Kind::temporary);
    case CURLE_INTERFACE_FAILED:
      return failed(Failure::Cause::local, Error::Kind::system);
    case CURLE_RECV_ERROR:
      if (refused_by_alert(text, phase)) return failed(Failure::Cause::tls_failed);
      return failed(peer_closed_ ? Failure::Cause::lost : Failure::Cause::protocol);
    default:
      return failed(Failure::Cause::lost);
  }
}

// libcurl says "could not resolve" for a name that does not exist and for a resolver that does not answer. A quick no
// is asked for once more, and its reason; a slow one is trouble, and asking again would only take as long again.
Failure::Cause Session::resolver_trouble() const {
  if (base::Instant::clock::now() - progress_ > std::chrono::seconds(3)) return Failure::Cause::unresolved;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host().c_str(), nullptr, &hints, &list);
  if (status == 0) ::freeaddrinfo(list);
  return status == EAI_NONAME || status == EAI_NODATA ? Failure::Cause::unknown_host : Failure::Cause::unresolved;
}

Error::Kind Session::kind_of_setting(CURLcode code) const {
  switch (code) {
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
      return Error::Kind::config;
    case CURLE_OUT_OF_MEMORY:
      return Error::Kind::temporary;
    default:
      return Error::Kind::internal;
  }
}

// --- what the sockets tell

void Session::notice_connection() {
  if (announced_ || sockets_.empty()) return;
  std::optional<Peer> peer;  // asked for once: a server that resets has none the next moment
  const auto connected = std::find_if(sockets_.begin(), sockets_.end(), [&peer](int fd) {
    peer = peer_of(fd);
    return peer.has_value();
  });
  if (!peer) return;
  std::iter_swap(connected, sockets_.end() - 1);  // the one that counts is the last
  announced_ = true;
  connecting_ = false;
  progress();
  // libcurl counts greeting, TLS and login as connecting; they have a reply's time each.
  set(CURLOPT_CONNECTTIMEOUT, libcurl_waits);
  dialogue_.connected(peer->address, peer->port, peer->loopback && !endpoint_.proxy);
}

// Version and cipher, once libcurl is content with the handshake: between its calls, or at the first word behind it.
// Its progress callback comes too early, before it has looked at the name in the certificate.
void Session::notice_tls() {
  void* ssl = secure_ || !announced_ ? nullptr : openssl();
  const auto info = ssl ? tls_info(ssl, endpoint_.tls.verify) : std::nullopt;
  if (!info) return;
  secure_ = true;
  dialogue_.secured(*info);
}

// The TLS of the connection at hand, if there is one.
void* Session::openssl() const {
  curl_tlssessioninfo* info = nullptr;
  if (curl_easy_getinfo(easy_.get(), CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info) return nullptr;
  return info->backend == CURLSSLBACKEND_OPENSSL ? info->internals : nullptr;
}

// Between two messages: has the server hung up, or said something that nobody asked for?
bool Session::stale_connection() {
  return waiting(socket()) != Waiting::nothing || (countable() && bytes_received(socket()).value_or(0) > heard_);
}

// What is said now is between libcurl and the proxy, and so is the end of the connection.
bool Session::at_proxy() const {
  return endpoint_.proxy && dialogue_.phase() == Phase::greeting && heard_ == 0;
}

// What the kernel has received is what was heard, and neither TLS records nor a proxy's words.
bool Session::countable() const {
  return !secure_ && !endpoint_.proxy;
}

// After a reply: is there more, in the kernel or in libcurl's own buffer? The next command must not be written then.
bool Session::unread() {
  const int fd = socket();
  // Counted first: the end of a connection counts like a byte, and may come at any moment.
  const std::uint64_t received = countable() ? bytes_received(fd).value_or(0) : 0;
  switch (waiting(fd)) {
    case Waiting::end:
      dialogue_.fail({.cause = Failure::Cause::lost, .phase = dialogue_.phase()});
      return true;
    case Waiting::bytes:
      return !hear_unasked(fd);
    case Waiting::nothing:
      break;
  }
  if (received <= heard_) return false;
  // libcurl has read it together with the reply and keeps it. A good-bye is a short line; behind STARTTLS's 220 it
  // would be an injection.
  const bool goodbye = received - heard_ <= longest_goodbye && dialogue_.phase() != Phase::tls;
  dialogue_.fail({.cause = goodbye ? Failure::Cause::lost : Failure::Cause::protocol,
                  .phase = dialogue_.phase(),
                  .text = "the server said more than it was asked for"});
  return true;
}

// Reads what the server says out of turn and lets the dialogue judge it. True if it was nothing after all: a TLS record
// without a reply in it, such as a session ticket.
bool Session::hear_unasked(int fd) {
  const auto text = receive(fd);
  if (!text) return true;
  for (const std::string_view line : base::split(*text, '\n')) {
    if (!line.empty() && dialogue_.reply_line(line) == Dialogue::Next::stop) return false;
  }
  dialogue_.fail({.cause = Failure::Cause::lost, .phase = dialogue_.phase()});
  return false;
}

// What can be had at once, up to 64 KiB ("" at the end of the connection); nothing if only TLS itself had spoken.
std::optional<std::string> Session::receive(int fd) {
  if (secure_) {
    void* ssl = openssl();
    return ssl ? peek_tls(ssl, fd) : "";
  }
  std::string text(65536, '\0');
  const ssize_t count = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

// --- what libcurl tells

std::size_t Session::deliver(std::span<char> out) {
  progress();
  if (!body_ || broken()) return CURL_READFUNC_ABORT;
  if (dialogue_.phase() != Phase::body) dialogue_.body({});
  auto count = body_->read(out);
  if (!count) {
    dialogue_.fail({.cause = Failure::Cause::source,
                    .phase = Phase::body,
                    .text = count.error().text,
                    .kind = count.error().kind});
    return CURL_READFUNC_ABORT;
  }
  if (*count == 0) limit_replies(endpoint_.timeouts.data);
  if (*count == 0) dialogue_.body_ended();
  return *count;
}

// Something of ours failed where it could not stop libcurl: in the debug callback.
bool Session::broken() const {
  return dialogue_.failure() && dialogue_.failure()->cause == Failure::Cause::local;
}

std::size_t Session::hear(std::string_view line) {
  notice_connection();
  notice_tls();
  heard_ += line.size();
  const bool goes_on = !broken() && dialogue_.reply_line(line) != Dialogue::Next::stop;
  if (goes_on && is_misread(line)) {
    dialogue_.fail({.cause = Failure::Cause::protocol,
                    .phase = dialogue_.awaited().value_or(dialogue_.phase()),
                    .text = "a line of a reply has neither a text nor a CR at its end"});
  }
  if (!goes_on || is_misread(line)) {
    drop_connections();  // after the dot libcurl would say QUIT all the same
    return stop_header;
  }
  if (!dialogue_.settled()) return line.size();
  progress();
  if (dialogue_.failure() || dialogue_.accepted()) {
    // libcurl says QUIT now, unless the server has hung up already, or said so.
    if (!stale_connection()) return line.size();
    drop_connections();
    return stop_header;
  }
  return unread() ? stop_header : line.size();
}

void Session::overhear(curl_infotype type, std::string_view text) {
  if (type == CURLINFO_HEADER_OUT) {
    if (at_proxy() && text.starts_with("CONNECT ")) return;  // perhaps with the proxy's password
    notice_tls();
    if (!text.ends_with('\n')) {
      // The socket did not take all of it. libcurl sends the rest in its own time and does not tell what it was, so the
      // replies could not be told apart.
      drop_connections();
      peer_closed_ = true;
      return;
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    progress();
    acknowledge_quickly(socket());
    dialogue_.command(text);
    if (parting(dialogue_.phase())) limit_replies(endpoint_.timeouts.quit);
  } else if (type == CURLINFO_DATA_OUT) {
    progress(text.size());
    dialogue_.body(text);
  } else if (type == CURLINFO_TEXT && announced_ && !at_proxy() && waiting(socket()) == Waiting::end) {
    // libcurl tells of its troubles here, and goes on to write QUIT into what the server has closed.
    drop_connections();
    peer_closed_ = true;
  }
}

template <class Action>
auto Session::guarded(Action action, decltype(action()) stop) noexcept -> decltype(action()) {
  try {
    return action();
  } catch (const std::exception& error) {
    try {
      dialogue_.fail({.cause = Failure::Cause::local,
                      .phase = dialogue_.phase(),
                      .text = error.what(),
                      .kind = Error::Kind::temporary});
    } catch (...) {  // NOLINT(bugprone-empty-catch): out of memory twice; stopping is all that is left
    }
    return stop;
  }
}

std::size_t Session::on_read(char* out, std::size_t size, std::size_t count, void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  return session.guarded([&] { return session.deliver({out, size * count}); }, CURL_READFUNC_ABORT);
}

std::size_t Session::on_header(char* line, std::size_t size, std::size_t count, void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  return session.guarded([&] { return session.hear({line, size * count}); }, stop_header);
}

std::size_t Session::on_write(char* /*text*/, std::size_t size, std::size_t count, void* /*self*/) noexcept {
  return size * count;
}

int Session::on_debug(CURL* /*easy*/, curl_infotype type, char* text, std::size_t size, void* self) noexcept {
  auto& session = *static_cast<Session*>(self);
  return session.guarded([&] { return session.overhear(type, {text, size}), 0; }, 0);
}

// Also called while libcurl waits by itself, after the dot and after QUIT; and when it has found an error, of which the
// end of the connection may be a part only: what the end was is for explain() to say.
int Session::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) noexcept {
  auto& session = *static_cast<Session*>(self);
  const bool go_on = session.guarded([&] { return !session.hung_up() && session.watch(); }, false);
  if (!go_on) session.drop_connections();
  return go_on ? 0 : 1;
}

// For the views and for a failure's text: what is verified, and how, stays as libcurl has set it up.
CURLcode Session::on_ssl_context(CURL* /*easy*/, void* context, void* self) noexcept {
  watch_certificates(context, static_cast<Session*>(self)->watch_);
  return CURLE_OK;
}

int Session::on_socket(void* self, curl_socket_t socket, curlsocktype /*purpose*/) noexcept {
  auto& session = *static_cast<Session*>(self);
  return session.guarded(
      [&] {
        if (session.sockets_.empty()) {
          session.begin_connecting();
          session.dialogue_.resolved();
        }
        session.sockets_.push_back(socket);
        return CURL_SOCKOPT_OK;
      },
      CURL_SOCKOPT_ERROR);
}

int Session::on_close(void* self, curl_socket_t socket) noexcept {
  auto& session = *static_cast<Session*>(self);
  // A server that refuses the message and closes may have its reply still waiting here.
  if (session.socket() == socket && session.dialogue_.phase() == Phase::body && !session.secure_) {
    session.guarded([&] { return session.hear_unasked(socket); }, false);
  }
  if (session.socket() == socket) session.peer_closed_ = waiting(socket) == Waiting::end;
  std::erase(session.sockets_, socket);
  if (session.sockets_.empty()) session.announced_ = session.secure_ = false;
  return ::close(socket);
}

}  // namespace pillarbox::smtp
