// Variadic functions of libcurl and libmicrohttpd, each with fixed shapes. Handles are passed as void pointers, so that
// this header needs neither library's.
#ifndef VARVE_CHTTP_H
#define VARVE_CHTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/// curl_easy_setopt(3) by the type of its value. 0, or a CURLcode.
int varve_curl_set_long(void *easy, int option, long value);
int varve_curl_set_size(void *easy, int option, int64_t value);
int varve_curl_set_text(void *easy, int option, const char *value);
int varve_curl_set_pointer(void *easy, int option, const void *value);
/// CURLOPT_WRITEFUNCTION or CURLOPT_HEADERFUNCTION, and its context.
int varve_curl_set_receiver(void *easy, int option, size_t (*receive)(char *, size_t, size_t, void *),
                            int context_option, void *context);
/// CURLOPT_XFERINFOFUNCTION: asked about once a second while a transfer waits; another answer than 0 ends it.
int varve_curl_set_watch(void *easy, int (*watch)(void *, int64_t, int64_t, int64_t, int64_t), void *context);

/// Asked with each address before a connection is made to it; 0 refuses.
struct varve_address_check {
    int (*allows)(void *context, const struct sockaddr *address);
    void *context;
};
/// CURLOPT_OPENSOCKETFUNCTION. `check` must stay where it is as long as the handle is used.
int varve_curl_set_address_check(void *easy, struct varve_address_check *check);
/// CURLINFO_RESPONSE_CODE, 0 where there was no answer.
long varve_curl_status(void *easy);

struct varve_http_callbacks {
    /// What a server does with a piece of a request: as MHD_AccessHandlerCallback.
    int (*handle)(void *context, void *connection, const char *path, const char *method, const char *version,
                  const char *body, size_t *body_size, void **request);
    /// When a request is over, however it ended.
    void (*complete)(void *context, void *connection, void **request, int why);
    /// When a connection begins (`what` is 0) and before its socket is closed (1).
    void (*connect)(void *context, void *connection, void **socket_context, int what);
};

/// What clients may use.
struct varve_http_limits {
    unsigned int connections_max;
    unsigned int idle_seconds_max;
    size_t header_bytes_max;
    /// Of a connection's thread.
    size_t stack_bytes;
};

/// MHD_start_daemon(3) with a thread per connection, bound to `address` alone. Null where it cannot start (see errno).
void *varve_http_start(const struct sockaddr *address, const struct varve_http_callbacks *callbacks, void *context,
                       const struct varve_http_limits *limits);
/// The port that the server listens on.
int varve_http_port(void *server);
/// The socket of a connection, or -1.
int varve_http_socket(void *connection);
/// Writes to a socket past the server's own answer. 0, or -1.
int varve_http_write_raw(int socket, const void *bytes, size_t size);
/// How many bytes ever came in on a TCP socket (TCP_INFO), or -1.
int64_t varve_http_bytes_received(int socket);
void varve_http_stop(void *server);

#endif
