#include "CHTTP.h"

#include <curl/curl.h>
#include <linux/tcp.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int varve_curl_set_long(void *easy, int option, long value) {
    return (int)curl_easy_setopt((CURL *)easy, (CURLoption)option, value);
}

int varve_curl_set_size(void *easy, int option, int64_t value) {
    return (int)curl_easy_setopt((CURL *)easy, (CURLoption)option, (curl_off_t)value);
}

int varve_curl_set_text(void *easy, int option, const char *value) {
    return (int)curl_easy_setopt((CURL *)easy, (CURLoption)option, value);
}

int varve_curl_set_pointer(void *easy, int option, const void *value) {
    return (int)curl_easy_setopt((CURL *)easy, (CURLoption)option, value);
}

int varve_curl_set_receiver(void *easy, int option, size_t (*receive)(char *, size_t, size_t, void *),
                            int context_option, void *context) {
    CURLcode code = curl_easy_setopt((CURL *)easy, (CURLoption)option, receive);
    if (code != CURLE_OK) return (int)code;
    return (int)curl_easy_setopt((CURL *)easy, (CURLoption)context_option, context);
}

int varve_curl_set_watch(void *easy, int (*watch)(void *, int64_t, int64_t, int64_t, int64_t), void *context) {
    CURLcode code = curl_easy_setopt((CURL *)easy, CURLOPT_XFERINFOFUNCTION, watch);
    if (code == CURLE_OK) code = curl_easy_setopt((CURL *)easy, CURLOPT_XFERINFODATA, context);
    if (code == CURLE_OK) code = curl_easy_setopt((CURL *)easy, CURLOPT_NOPROGRESS, 0L);
    return (int)code;
}

static curl_socket_t open_checked(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct varve_address_check *check = context;
    if (purpose != CURLSOCKTYPE_IPCXN || !check->allows(check->context, &address->addr)) return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int varve_curl_set_address_check(void *easy, struct varve_address_check *check) {
    CURLcode code = curl_easy_setopt((CURL *)easy, CURLOPT_OPENSOCKETFUNCTION, open_checked);
    if (code == CURLE_OK) code = curl_easy_setopt((CURL *)easy, CURLOPT_OPENSOCKETDATA, check);
    return (int)code;
}

long varve_curl_status(void *easy) {
    long status = 0;
    return curl_easy_getinfo((CURL *)easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

// A NUL would end the path early: it stays spelled out.
static size_t unescape(void *context, struct MHD_Connection *connection, char *text) {
    (void)context, (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

void *varve_http_start(const struct sockaddr *address, const struct varve_http_callbacks *callbacks, void *context,
                       const struct varve_http_limits *limits) {
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL, NULL,
        (MHD_AccessHandlerCallback)callbacks->handle, context, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_NOTIFY_COMPLETED, (MHD_RequestCompletedCallback)callbacks->complete, context,
        MHD_OPTION_NOTIFY_CONNECTION, (MHD_NotifyConnectionCallback)callbacks->connect, context,
        MHD_OPTION_CONNECTION_LIMIT, limits->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, limits->idle_seconds_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits->header_bytes_max, MHD_OPTION_THREAD_STACK_SIZE,
        limits->stack_bytes, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        unescape, NULL, MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_END);
}

int varve_http_port(void *server) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info((struct MHD_Daemon *)server, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : (int)info->port;
}

int varve_http_socket(void *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info((struct MHD_Connection *)connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

int varve_http_write_raw(int socket, const void *bytes, size_t size) {
    return send(socket, bytes, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

int64_t varve_http_bytes_received(int socket) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? (int64_t)info.tcpi_bytes_received : -1;
}

void varve_http_stop(void *server) { MHD_stop_daemon((struct MHD_Daemon *)server); }
