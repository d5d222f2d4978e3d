/* Answers every request with one domain, and prints its port: what the callers of calls.lua and its peers share. It ends when its
 * standard input does. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *body, size_t *size, void **state)
{
    (void)url, (void)method, (void)version, (void)body, (void)size, (void)state;
    return MHD_queue_response(connection, MHD_HTTP_OK, arg);
}

int main(void)
{
    static const char domain[] = "{\"DomainName\":\"bench\",\"DefaultExpirationDays\":366,\"CreatedAt\":1767322800,"
                                 "\"LastUpdatedAt\":1767322800}";
    struct MHD_Response *response = MHD_create_response_from_buffer(sizeof domain - 1, (void *)domain, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "x-amzn-RequestId", "00000000-0000-0000-0000-000000000000");
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, response,
                                                 MHD_OPTION_SOCK_ADDR, &loopback, MHD_OPTION_END);
    if (!daemon)
        return 1;
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
