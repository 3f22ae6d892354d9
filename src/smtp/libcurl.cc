#include "smtp/libcurl.h"

#include <curl/curl.h>

namespace pillarbox::smtp {
namespace {

Result<void> initialise() {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) return {};
  return Error{Error::Kind::system, "libcurl can't be initialised"};
}

}  // namespace
}  // namespace pillarbox::smtp

#ifndef PILLARBOX_LOAD_LIBCURL

pillarbox::Result<void> pillarbox::smtp::load_libcurl() {
  static const Result<void> once = initialise();
  return once;
}

#else

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdarg>

// The functions that this program calls. Each is defined below under its own name, for the linker, and passes its call
// on to the library's; the library's headers see to it that both are of the same type.
#define PILLARBOX_FUNCTIONS(each)                                                                                      \
  each(curl_easy_cleanup) each(curl_easy_escape) each(curl_easy_getinfo) each(curl_easy_init) each(curl_easy_recv)     \
      each(curl_easy_send) each(curl_easy_setopt) each(curl_easy_strerror) each(curl_free) each(curl_global_init)      \
          each(curl_multi_add_handle) each(curl_multi_cleanup) each(curl_multi_info_read) each(curl_multi_init) each(  \
              curl_multi_perform) each(curl_multi_poll) each(curl_multi_remove_handle) each(curl_slist_append)         \
              each(curl_slist_free_all) each(curl_version_info) each(ASN1_STRING_get0_data) each(ASN1_STRING_length)   \
                  each(ASN1_TIME_to_tm) each(BIO_ctrl) each(BIO_free) each(BIO_new) each(BIO_new_socket)               \
                      each(BIO_s_mem) each(BIO_up_ref) each(ERR_clear_error) each(EVP_Digest) each(EVP_sha256) each(   \
                          GENERAL_NAMES_free) each(OPENSSL_sk_num) each(OPENSSL_sk_value) each(SSL_CIPHER_get_name)    \
                          each(SSL_CTX_get_ex_data) each(SSL_CTX_get_verify_callback) each(SSL_CTX_get_verify_mode)    \
                              each(SSL_CTX_set_ex_data) each(SSL_CTX_set_verify) each(SSL_get_SSL_CTX) each(           \
                                  SSL_get_current_cipher) each(SSL_get_error) each(SSL_get_ex_data_X509_STORE_CTX_idx) \
                                  each(SSL_get_rbio) each(SSL_get_version) each(SSL_get_wbio)                          \
                                      each(SSL_is_init_finished) each(SSL_peek) each(SSL_set0_rbio)                    \
                                          each(SSL_set0_wbio) each(X509_NAME_print_ex) each(X509_STORE_CTX_get0_cert)  \
                                              each(X509_STORE_CTX_get0_chain) each(X509_STORE_CTX_get_error)           \
                                                  each(X509_STORE_CTX_get_error_depth)                                 \
                                                      each(X509_STORE_CTX_get_ex_data) each(X509_get0_notAfter)        \
                                                          each(X509_get0_notBefore) each(X509_get_X509_PUBKEY)         \
                                                              each(X509_get_ext_d2i) each(X509_get_issuer_name)        \
                                                                  each(X509_get_subject_name)                          \
                                                                      each(X509_verify_cert_error_string)              \
                                                                          each(i2d_X509) each(i2d_X509_PUBKEY)

namespace {

struct Library {
#define PILLARBOX_DECLARE(function) decltype(&::function) function = nullptr;  // NOLINT(bugprone-macro-parentheses)
  PILLARBOX_FUNCTIONS(PILLARBOX_DECLARE)
#undef PILLARBOX_DECLARE
};

// Filled once, before any of it is called.
Library library;

pillarbox::Result<void> open_library() {
  const auto failed = [] {
    return pillarbox::Error{pillarbox::Error::Kind::system, std::string("libcurl can't be loaded: ") + ::dlerror()};
  };
  // Never closed. OpenSSL is the one that libcurl itself uses: a symbol is looked for in what it depends on, too.
  void* const handle = ::dlopen("libcurl.so.4", RTLD_LAZY | RTLD_LOCAL);
  if (!handle) return failed();
#define PILLARBOX_FIND(function)                                                          \
  library.function = reinterpret_cast<decltype(&::function)>(::dlsym(handle, #function)); \
  if (!library.function) return failed();
  PILLARBOX_FUNCTIONS(PILLARBOX_FIND)
#undef PILLARBOX_FIND
  return pillarbox::smtp::initialise();
}

}  // namespace

pillarbox::Result<void> pillarbox::smtp::load_libcurl() {
  static const Result<void> once = open_library();
  return once;
}

// NOLINTBEGIN(readability-non-const-parameter): their parameters are the libraries'
extern "C" {

void curl_easy_cleanup(CURL* easy) {
  library.curl_easy_cleanup(easy);
}
char* curl_easy_escape(CURL* easy, const char* text, int size) {
  return library.curl_easy_escape(easy, text, size);
}
CURL* curl_easy_init() {
  return library.curl_easy_init();
}
CURLcode curl_easy_recv(CURL* easy, void* to, size_t size, size_t* count) {
  return library.curl_easy_recv(easy, to, size, count);
}
CURLcode curl_easy_send(CURL* easy, const void* from, size_t size, size_t* count) {
  return library.curl_easy_send(easy, from, size, count);
}
const char* curl_easy_strerror(CURLcode code) {
  return library.curl_easy_strerror(code);
}
void curl_free(void* memory) {
  library.curl_free(memory);
}
CURLcode curl_global_init(long flags) {
  return library.curl_global_init(flags);
}
CURLMcode curl_multi_add_handle(CURLM* multi, CURL* easy) {
  return library.curl_multi_add_handle(multi, easy);
}
CURLMcode curl_multi_cleanup(CURLM* multi) {
  return library.curl_multi_cleanup(multi);
}
CURLMsg* curl_multi_info_read(CURLM* multi, int* left) {
  return library.curl_multi_info_read(multi, left);
}
CURLM* curl_multi_init() {
  return library.curl_multi_init();
}
CURLMcode curl_multi_perform(CURLM* multi, int* running) {
  return library.curl_multi_perform(multi, running);
}
CURLMcode curl_multi_poll(CURLM* multi, curl_waitfd extra[], unsigned count, int timeout, int* ready) {
  return library.curl_multi_poll(multi, extra, count, timeout, ready);
}
CURLMcode curl_multi_remove_handle(CURLM* multi, CURL* easy) {
  return library.curl_multi_remove_handle(multi, easy);
}
curl_slist* curl_slist_append(curl_slist* list, const char* text) {
  return library.curl_slist_append(list, text);
}
void curl_slist_free_all(curl_slist* list) {
  library.curl_slist_free_all(list);
}
curl_version_info_data* curl_version_info(CURLversion age) {
  return library.curl_version_info(age);
}

// In brackets, for both are macros as well. An option's number says the type of its value; of those that are set here
// none has one of 64 bits, nor a blob.
CURLcode(curl_easy_setopt)(CURL* easy, CURLoption option, ...) {
  va_list values;
  va_start(values, option);  // NOLINT(clang-diagnostic-varargs): the type is libcurl's
  CURLcode code = CURLE_UNKNOWN_OPTION;
  if (option < CURLOPTTYPE_OBJECTPOINT) {  // NOLINT(bugprone-branch-clone): the types differ
    code = library.curl_easy_setopt(easy, option, va_arg(values, long));
  } else {
    code = library.curl_easy_setopt(easy, option, va_arg(values, void*));
  }
  va_end(values);
  return code;
}

CURLcode(curl_easy_getinfo)(CURL* easy, CURLINFO info, ...) {
  va_list values;
  va_start(values, info);  // NOLINT(clang-diagnostic-varargs)
  const CURLcode code = library.curl_easy_getinfo(easy, info, va_arg(values, void*));
  va_end(values);
  return code;
}

const unsigned char* ASN1_STRING_get0_data(const ASN1_STRING* string) {
  return library.ASN1_STRING_get0_data(string);
}
int ASN1_STRING_length(const ASN1_STRING* string) {
  return library.ASN1_STRING_length(string);
}
int ASN1_TIME_to_tm(const ASN1_TIME* time, tm* out) {
  return library.ASN1_TIME_to_tm(time, out);
}
long BIO_ctrl(BIO* bio, int command, long number, void* value) {
  return library.BIO_ctrl(bio, command, number, value);
}
int BIO_free(BIO* bio) {
  return library.BIO_free(bio);
}
BIO* BIO_new(const BIO_METHOD* method) {
  return library.BIO_new(method);
}
BIO* BIO_new_socket(int socket, int close) {
  return library.BIO_new_socket(socket, close);
}
const BIO_METHOD* BIO_s_mem() {
  return library.BIO_s_mem();
}
int BIO_up_ref(BIO* bio) {
  return library.BIO_up_ref(bio);
}
void ERR_clear_error() {
  library.ERR_clear_error();
}
int EVP_Digest(const void* data, size_t size, unsigned char* to, unsigned* count, const EVP_MD* type, ENGINE* engine) {
  return library.EVP_Digest(data, size, to, count, type, engine);
}
const EVP_MD* EVP_sha256() {
  return library.EVP_sha256();
}
void GENERAL_NAMES_free(GENERAL_NAMES* names) {
  library.GENERAL_NAMES_free(names);
}
int OPENSSL_sk_num(const OPENSSL_STACK* stack) {
  return library.OPENSSL_sk_num(stack);
}
void* OPENSSL_sk_value(const OPENSSL_STACK* stack, int index) {
  return library.OPENSSL_sk_value(stack, index);
}
const char* SSL_CIPHER_get_name(const SSL_CIPHER* cipher) {
  return library.SSL_CIPHER_get_name(cipher);
}
void* SSL_CTX_get_ex_data(const SSL_CTX* context, int index) {
  return library.SSL_CTX_get_ex_data(context, index);
}
SSL_verify_cb SSL_CTX_get_verify_callback(const SSL_CTX* context) {
  return library.SSL_CTX_get_verify_callback(context);
}
int SSL_CTX_get_verify_mode(const SSL_CTX* context) {
  return library.SSL_CTX_get_verify_mode(context);
}
int SSL_CTX_set_ex_data(SSL_CTX* context, int index, void* data) {
  return library.SSL_CTX_set_ex_data(context, index, data);
}
void SSL_CTX_set_verify(SSL_CTX* context, int mode, SSL_verify_cb callback) {
  library.SSL_CTX_set_verify(context, mode, callback);
}
SSL_CTX* SSL_get_SSL_CTX(const SSL* ssl) {
  return library.SSL_get_SSL_CTX(ssl);
}
const SSL_CIPHER* SSL_get_current_cipher(const SSL* ssl) {
  return library.SSL_get_current_cipher(ssl);
}
int SSL_get_error(const SSL* ssl, int code) {
  return library.SSL_get_error(ssl, code);
}
int SSL_get_ex_data_X509_STORE_CTX_idx() {
  return library.SSL_get_ex_data_X509_STORE_CTX_idx();
}
BIO* SSL_get_rbio(const SSL* ssl) {
  return library.SSL_get_rbio(ssl);
}
const char* SSL_get_version(const SSL* ssl) {
  return library.SSL_get_version(ssl);
}
BIO* SSL_get_wbio(const SSL* ssl) {
  return library.SSL_get_wbio(ssl);
}
int SSL_is_init_finished(const SSL* ssl) {
  return library.SSL_is_init_finished(ssl);
}
int SSL_peek(SSL* ssl, void* to, int size) {
  return library.SSL_peek(ssl, to, size);
}
void SSL_set0_rbio(SSL* ssl, BIO* bio) {
  library.SSL_set0_rbio(ssl, bio);
}
void SSL_set0_wbio(SSL* ssl, BIO* bio) {
  library.SSL_set0_wbio(ssl, bio);
}
int X509_NAME_print_ex(BIO* bio, const X509_NAME* name, int indent, unsigned long flags) {
  return library.X509_NAME_print_ex(bio, name, indent, flags);
}
X509* X509_STORE_CTX_get0_cert(const X509_STORE_CTX* store) {
  return library.X509_STORE_CTX_get0_cert(store);
}
STACK_OF(X509) * X509_STORE_CTX_get0_chain(const X509_STORE_CTX* store) {
  return library.X509_STORE_CTX_get0_chain(store);
}
int X509_STORE_CTX_get_error(const X509_STORE_CTX* store) {
  return library.X509_STORE_CTX_get_error(store);
}
int X509_STORE_CTX_get_error_depth(const X509_STORE_CTX* store) {
  return library.X509_STORE_CTX_get_error_depth(store);
}
void* X509_STORE_CTX_get_ex_data(const X509_STORE_CTX* store, int index) {
  return library.X509_STORE_CTX_get_ex_data(store, index);
}
const ASN1_TIME* X509_get0_notAfter(const X509* certificate) {
  return library.X509_get0_notAfter(certificate);
}
const ASN1_TIME* X509_get0_notBefore(const X509* certificate) {
  return library.X509_get0_notBefore(certificate);
}
X509_PUBKEY* X509_get_X509_PUBKEY(const X509* certificate) {
  return library.X509_get_X509_PUBKEY(certificate);
}
void* X509_get_ext_d2i(const X509* certificate, int id, int* critical, int* index) {
  return library.X509_get_ext_d2i(certificate, id, critical, index);
}
X509_NAME* X509_get_issuer_name(const X509* certificate) {
  return library.X509_get_issuer_name(certificate);
}
X509_NAME* X509_get_subject_name(const X509* certificate) {
  return library.X509_get_subject_name(certificate);
}
const char* X509_verify_cert_error_string(long code) {
  return library.X509_verify_cert_error_string(code);
}
int i2d_X509(const X509* certificate, unsigned char** to) {
  return library.i2d_X509(certificate, to);
}
int i2d_X509_PUBKEY(const X509_PUBKEY* key, unsigned char** to) {
  return library.i2d_X509_PUBKEY(key, to);
}

}  // extern "C"
   // NOLINTEND(readability-non-const-parameter)

#endif
