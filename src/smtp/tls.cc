#include "smtp/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

namespace pillarbox::smtp {

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

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

}  // namespace pillarbox::smtp
