#include "app/check_step.h"

#include "base/text.h"

namespace pillarbox::app {
namespace {

using Cause = smtp::Failure::Cause;

bool is_for_implicit_tls(int port) {
  return port == config::default_port(config::Tls::implicit);
}

std::string remedy_for_certificate(const smtp::Endpoint& endpoint, const std::optional<smtp::Presented>& presented) {
  if (!presented) return {};
  switch (presented->trouble) {
    case smtp::Presented::Trouble::none:
      if (!endpoint.tls.pins.empty()) return "tls_pin has the keys that were known before; ask who runs the server";
      return "host, or else tls_name, must be a name that the certificate has";
    case smtp::Presented::Trouble::not_yet_valid:
    case smtp::Presented::Trouble::expired:
      return "whoever runs the server must renew it; but look at this host's clock first";
    case smtp::Presented::Trouble::untrusted:
      break;
  }
  return "if that is the fingerprint that whoever runs the server tells you: tls_ca_file names its authority's file; "
         "or tls_verify = false with tls_pin = [ \"" +
         presented->own().pin + "\" ] trusts this key alone";
}

std::string remedy_for_silence(const smtp::Endpoint& endpoint) {
  if (endpoint.tls.mode != smtp::TlsMode::implicit && is_for_implicit_tls(endpoint.port)) {
    return "at port 465 servers want TLS from the first byte: tls = \"implicit\"";
  }
  return "the server is slow, or speaks something else at port " + std::to_string(endpoint.port);
}

std::string remedy_for_refusal(const smtp::Failure& failure) {
  if (failure.phase == smtp::Phase::auth && failure.reply->permanent()) {
    return "are user and password right? Some providers want a password made for this program alone";
  }
  return failure.reply->transient() ? "try again later" : "whoever runs the server knows why";
}

}  // namespace

std::string_view name_of(Step step) {
  switch (step) {
    case Step::configuration:
      return "configuration";
    case Step::secret:
      return "secret";
    case Step::dns:
      return "dns";
    case Step::tcp:
      return "tcp";
    case Step::smtp:
      return "smtp";
    case Step::tls:
      return "tls";
    case Step::auth:
      return "auth";
  }
  return {};
}

Step step_of(const smtp::Failure& failure, smtp::TlsMode mode, bool secured) {
  switch (failure.cause) {
    case Cause::unknown_host:
    case Cause::unresolved:
      return Step::dns;
    case Cause::unreachable:
      return Step::tcp;
    case Cause::tls_not_offered:
    case Cause::tls_failed:
    case Cause::certificate:
      return Step::tls;
    case Cause::auth_not_offered:
    case Cause::cleartext:
      return Step::auth;
    case Cause::local:
      if (failure.kind == Error::Kind::config) return Step::configuration;
      break;
    default:
      break;
  }
  switch (failure.phase) {
    case smtp::Phase::connect:
      return Step::tcp;
    case smtp::Phase::starttls:
    case smtp::Phase::tls:
      return Step::tls;
    case smtp::Phase::auth:
      return Step::auth;
    case smtp::Phase::greeting:
      return mode == smtp::TlsMode::implicit && !secured ? Step::tls : Step::smtp;
    default:
      return Step::smtp;
  }
}

std::string remedy(const smtp::Failure& failure, const smtp::Endpoint& endpoint,
                   const std::optional<smtp::Presented>& presented) {
  const std::string port = std::to_string(endpoint.port);
  switch (failure.cause) {
    case Cause::refused:
      return remedy_for_refusal(failure);
    case Cause::unknown_host:
      return "is the name of the host right?";
    case Cause::unresolved:
      return "is the network up, and does the name server in /etc/resolv.conf answer?";
    case Cause::unreachable:
      return endpoint.proxy ? "does the proxy run, and may it connect to port " + port + "?"
                            : "is port " + port + " right, and does a firewall let it pass?";
    case Cause::timeout:
      if (failure.phase == smtp::Phase::connect) return "does a firewall let port " + port + " pass?";
      return remedy_for_silence(endpoint);
    case Cause::lost:
    case Cause::protocol:
      return remedy_for_silence(endpoint);
    case Cause::stopped:
      return "";
    case Cause::tls_not_offered:
      return "tls = \"implicit\" is the way in for a server that has TLS at port 465 only";
    case Cause::tls_failed:
      if (endpoint.tls.mode == smtp::TlsMode::implicit && !is_for_implicit_tls(endpoint.port)) {
        return "is TLS spoken from the first byte at port " + port + "? tls = \"starttls\" begins in the clear";
      }
      if (failure.text.find("certificate required") != std::string::npos) {
        return "the server wants to see a certificate: tls_certificate and tls_key";
      }
      return "tls_min and tls_ciphers say which TLS will do";
    case Cause::certificate:
      return remedy_for_certificate(endpoint, presented);
    case Cause::auth_not_offered:
      return "mechanism must be one that the server has; some offer a login at port 587 or 465 only";
    case Cause::cleartext:
      return "tls = \"starttls\" or \"implicit\" protects the login";
    case Cause::too_large:
    case Cause::unsupported:
    case Cause::source:
    case Cause::local:
      return {};
  }
  return {};
}

std::string source_of(const config::Auth& auth) {
  switch (auth.source) {
    case config::Auth::Source::none:
      return config::needs_password(auth.mechanism) ? "asked for" : "none is needed";
    case config::Auth::Source::password:
      return "password, in the configuration";
    case config::Auth::Source::file:
      return "password_file " + auth.place;
    case config::Auth::Source::command:
      return "password_command";  // which may hold what nobody should read
    case config::Auth::Source::environment:
      return "password_env " + auth.place;
    case config::Auth::Source::credential:
      return "credential " + auth.place;
    case config::Auth::Source::netrc:
      return "netrc";
    case config::Auth::Source::token_command:
      return "token_command";
  }
  return {};
}

}  // namespace pillarbox::app
