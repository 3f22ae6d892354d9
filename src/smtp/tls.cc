#include "smtp/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "base/text.h"

namespace pillarbox::smtp {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, BioDeleter> bio(BIO_new(BIO_s_mem()));
  if (!bio) return {};
  // Names of people and towns as they are written: what is no ASCII stays UTF-8.
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

std::chrono::sys_seconds time_of(const ASN1_TIME* time) {
  std::tm utc{};
  if (!ASN1_TIME_to_tm(time, &utc)) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&utc)));
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// Four octets are an IPv4 address, sixteen an IPv6 one (RFC 5280 section 4.2.1.6).
std::string address_of(const ASN1_STRING* octets) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  const int size = ASN1_STRING_length(octets);
  if (size != 4 && size != 16) return {};
  ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), out.data(), out.size());
  return out.data();
}

std::vector<std::string> names_of(const X509* certificate) {
  struct Deleter {
    void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
  };
  const std::unique_ptr<GENERAL_NAMES, Deleter> list(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> names;
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back(address_of(name->d.iPAddress));
  }
  return names;
}

std::string sha256(const std::string& octets) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!EVP_Digest(octets.data(), octets.size(), digest.data(), &size, EVP_sha256(), nullptr)) return {};
  return {reinterpret_cast<const char*>(digest.data()), size};
}

// DER, by one of OpenSSL's i2d functions.
template <class Thing>
std::string der_of(int (*write)(const Thing*, unsigned char**), const Thing* thing) {
  const int size = write(thing, nullptr);
  std::string out(static_cast<std::size_t>(std::max(size, 0)), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (size > 0) write(thing, &to);
  return out;
}

std::string hexadecimal(const std::string& octets) {
  std::string out;
  for (const char octet : octets) out += (out.empty() ? "" : ":") + base::hex(octet);
  return out;
}

Certificate read_certificate(const X509* certificate) {
  return {.subject = text_of(X509_get_subject_name(certificate)),
          .issuer = text_of(X509_get_issuer_name(certificate)),
          .names = names_of(certificate),
          .not_before = time_of(X509_get0_notBefore(certificate)),
          .not_after = time_of(X509_get0_notAfter(certificate)),
          .fingerprint = hexadecimal(sha256(der_of(i2d_X509, certificate))),
          .pin = "sha256//" + base::base64(sha256(der_of(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate))))};
}

Presented::Trouble trouble_of(int code) {
  switch (code) {
    case X509_V_OK:
      return Presented::Trouble::none;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Presented::Trouble::not_yet_valid;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Presented::Trouble::expired;
    default:
      return Presented::Trouble::untrusted;
  }
}

// Nothing before the server's own certificate is known.
std::optional<Presented> read_presented(X509_STORE_CTX* store) {
  const X509* own = X509_STORE_CTX_get0_cert(store);
  if (!own) return std::nullopt;
  Presented out;
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(store);
  for (int i = 0; chain && i < sk_X509_num(chain); ++i) {
    out.chain.push_back(read_certificate(sk_X509_value(chain, i)));
  }
  if (out.chain.empty()) out.chain.push_back(read_certificate(own));
  const int code = X509_STORE_CTX_get_error(store);
  out.trouble = trouble_of(code);
  if (code == X509_V_OK) return out;
  const auto depth = static_cast<std::size_t>(std::max(X509_STORE_CTX_get_error_depth(store), 0));
  out.at_fault = std::min(depth, out.chain.size() - 1);
  out.why = X509_verify_cert_error_string(code);
  return out;
}

// OpenSSL asks for each certificate, from the root down to the server's own, and at each trouble, which ends it.
int on_verify(int sound, X509_STORE_CTX* store) noexcept {
  if (sound && X509_STORE_CTX_get_error_depth(store) > 0) return sound;
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* watch = static_cast<const CertificateWatch*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  try {
    if (auto presented = read_presented(store)) (*watch)(*std::move(presented));
  } catch (...) {  // NOLINT(bugprone-empty-catch): a clue is missing then, and nothing else
  }
  return sound;
}

}  // namespace

void watch_certificates(void* ssl_ctx, const CertificateWatch& watch) noexcept {
  auto* context = static_cast<SSL_CTX*>(ssl_ctx);
  if (SSL_CTX_get_verify_callback(context)) return;  // it has its own, which decides
  SSL_CTX_set_app_data(context, const_cast<CertificateWatch*>(&watch));
  SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verify);
}

std::optional<TlsInfo> tls_info(const void* ssl, bool verified) {
  const auto* connection = static_cast<const SSL*>(ssl);
  if (!SSL_is_init_finished(connection)) return std::nullopt;
  return TlsInfo{SSL_get_version(connection), SSL_get_cipher_name(connection), verified};
}

// libcurl's own BIO works only within its calls, so the socket takes its place meanwhile, for what is written as well:
// OpenSSL may answer what it reads, with an alert or new keys. What it reads stays in OpenSSL's buffer.
std::optional<std::string> peek_tls(void* ssl, int socket) {
  auto* connection = static_cast<SSL*>(ssl);
  BIO* plain = BIO_new_socket(socket, BIO_NOCLOSE);
  BIO* reads = SSL_get_rbio(connection);
  BIO* writes = SSL_get_wbio(connection);
  if (!plain || !reads || !writes) {
    BIO_free(plain);
    return std::nullopt;
  }
  BIO_up_ref(reads);
  BIO_up_ref(writes);
  BIO_up_ref(plain);  // each place takes one reference
  SSL_set0_rbio(connection, plain);
  SSL_set0_wbio(connection, plain);
  std::string text(65536, '\0');
  const int count = SSL_peek(connection, text.data(), static_cast<int>(text.size()));
  const bool only_tls = count <= 0 && SSL_get_error(connection, count) == SSL_ERROR_WANT_READ;
  SSL_set0_rbio(connection, reads);
  SSL_set0_wbio(connection, writes);
  ERR_clear_error();
  if (only_tls) return std::nullopt;
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

}  // namespace pillarbox::smtp
