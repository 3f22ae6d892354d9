// Tls: what OpenSSL knows of a connection that libcurl has secured. The only part that knows OpenSSL; a connection is
// passed as what CURLINFO_TLS_SSL_PTR gives for that backend, an SSL*.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "smtp/certificate.h"
#include "smtp/dialogue.h"

namespace pillarbox::smtp {

// Version and cipher, once the handshake is done.
std::optional<TlsInfo> tls_info(const void* ssl, bool verified);

// Is told what each server shows; may not throw.
using CertificateWatch = std::function<void(Presented)>;

// Has the verification of each connection made from an SSL_CTX told, whatever comes of it; the verdict stays with who
// has set the SSL_CTX up. The watch must outlive it. Nothing is told where the connection takes up an earlier one's
// session, in which no certificate is shown.
void watch_certificates(void* ssl_ctx, const CertificateWatch& watch) noexcept;

// What can be read at this moment, up to 64 KiB, without taking it: "" at the end of the connection, nothing if TLS
// itself had spoken only (a session ticket).
std::optional<std::string> peek_tls(void* ssl, int socket);

}  // namespace pillarbox::smtp
