/* What calls.lua does one after another, with libcurl and its own signer: calls_curl URL COUNT */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)arg;
    return size * count;
}

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void call(CURL *curl, long times)
{
    for (; times > 0; times--)
        if (curl_easy_perform(curl) != CURLE_OK)
            exit(1);
}

int main(int argc, char **argv)
{
    char url[300];
    if (argc != 3)
        return 2;
    CURL *curl = curl_easy_init();
    snprintf(url, sizeof url, "%s/domains/bench", argv[1]);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:profile");
    curl_easy_setopt(curl, CURLOPT_USERPWD, "local:local");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    call(curl, 20);
    double began = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID);
    call(curl, atol(argv[2]));
    printf("{\"one\":{\"seconds\":%f,\"cpu\":%f}}\n", now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - used);
    curl_easy_cleanup(curl);
    return 0;
}
