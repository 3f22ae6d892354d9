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

#include <cstdarg>

// The functions that this program calls. Each is defined below under its own name, for the linker, and passes its call
// on to the library's; the library's headers see to it that both are of the same type.
#define PILLARBOX_FUNCTIONS(each)                                                                                   \
  each(curl_easy_cleanup) each(curl_easy_escape) each(curl_easy_getinfo) each(curl_easy_init) each(curl_easy_recv)  \
      each(curl_easy_send) each(curl_easy_setopt) each(curl_easy_strerror) each(curl_free) each(curl_global_init)   \
          each(curl_multi_add_handle) each(curl_multi_cleanup) each(curl_multi_info_read) each(curl_multi_init)     \
              each(curl_multi_perform) each(curl_multi_poll) each(curl_multi_remove_handle) each(curl_slist_append) \
                  each(curl_slist_free_all) each(curl_version_info) each(BIO_free) each(BIO_new_socket)             \
                      each(BIO_up_ref) each(ERR_clear_error) each(EVP_EncodeBlock) each(SSL_CIPHER_get_name)        \
                          each(SSL_get_current_cipher) each(SSL_get_error) each(SSL_get_rbio) each(SSL_get_version) \
                              each(SSL_get_wbio) each(SSL_is_init_finished) each(SSL_peek) each(SSL_set0_rbio)      \
                                  each(SSL_set0_wbio)

namespace {

struct Library {
#define PILLARBOX_DECLARE(function) decltype(&::function) function = nullptr;
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

// In brackets, for both are macros as well. An option's number says the type of its value.
CURLcode(curl_easy_setopt)(CURL* easy, CURLoption option, ...) {
  va_list values;
  va_start(values, option);
  CURLcode code = CURLE_UNKNOWN_OPTION;
  if (option < CURLOPTTYPE_OBJECTPOINT) {
    code = library.curl_easy_setopt(easy, option, va_arg(values, long));
  } else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
    code = library.curl_easy_setopt(easy, option, va_arg(values, curl_off_t));
  } else {
    code = library.curl_easy_setopt(easy, option, va_arg(values, void*));
  }
  va_end(values);
  return code;
}

CURLcode(curl_easy_getinfo)(CURL* easy, CURLINFO info, ...) {
  va_list values;
  va_start(values, info);
  const CURLcode code = library.curl_easy_getinfo(easy, info, va_arg(values, void*));
  va_end(values);
  return code;
}

int BIO_free(BIO* bio) {
  return library.BIO_free(bio);
}
BIO* BIO_new_socket(int socket, int close) {
  return library.BIO_new_socket(socket, close);
}
int BIO_up_ref(BIO* bio) {
  return library.BIO_up_ref(bio);
}
void ERR_clear_error() {
  library.ERR_clear_error();
}
int EVP_EncodeBlock(unsigned char* to, const unsigned char* from, int size) {
  return library.EVP_EncodeBlock(to, from, size);
}
const char* SSL_CIPHER_get_name(const SSL_CIPHER* cipher) {
  return library.SSL_CIPHER_get_name(cipher);
}
const SSL_CIPHER* SSL_get_current_cipher(const SSL* ssl) {
  return library.SSL_get_current_cipher(ssl);
}
int SSL_get_error(const SSL* ssl, int code) {
  return library.SSL_get_error(ssl, code);
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

}  // extern "C"
   // NOLINTEND(readability-non-const-parameter)

#endif
