#include "core/upload.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/digest_file.h"
#include "core/endpoint.h"
#include "core/http_transfer.h"
#include "core/log.h"
#include "core/redact_values.h"
#include "core/upload_error.h"
#include "core/upload_reply.h"

#define DATA_KEY_BYTES 32
/* From this size on, S3 may refuse before the body travels. */
#define EXPECT_100_FROM ((uint64_t)1 << 20)

struct upload {
    struct http *http;
    struct http_transfer transfer;
    struct curl_slist *headers;
    char *url;
    char *path;
    struct secret *key; /* a copy: the digest pass may outlast the caller's */
    int fd;
    struct file_identity identity; /* of the file: it must not change under us */
    bool named;                    /* `path` is the name of the file that is sent */
    uint64_t position;  /* next byte that the PUT reads */
    bool content_md5;   /* is sent */
    bool type_signed;   /* the URL signs content-type */
    char md5[DIGEST_TEXT]; /* "" until it is known */
    struct digest_file *digest; /* while it runs */
    struct loop_timer *deadline; /* of the whole upload, or NULL */
    struct err failure;     /* of the read callback */
    struct upload_reply reply;
    struct redact_values secrets; /* what was sent, and must not be shown when it comes back */
    char host[256];               /* and port, for errors */
    bool no_expect;               /* refused: do not ask before sending */
    long connect_timeout_ms, stall_timeout_ms;
    uint64_t reported_at;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    struct upload_result result;
    void (*done)(void *arg, const struct upload_result *result, const struct err *e);
    void *arg;
};

static void drop_transfer(struct upload *upload)
{
    if (upload->transfer.easy)
        curl_easy_cleanup(upload->transfer.easy);
    upload->transfer.easy = NULL;
    for (struct curl_slist *header = upload->headers; header; header = header->next)
        secret_cleanse(header->data, strlen(header->data));
    curl_slist_free_all(upload->headers);
    upload->headers = NULL;
}

static void upload_free(struct upload *upload)
{
    drop_transfer(upload);
    loop_timer_stop(upload->deadline);
    if (upload->fd >= 0)
        close(upload->fd);
    if (upload->url)
        secret_cleanse(upload->url, strlen(upload->url));
    free(upload->url);
    free(upload->path);
    secret_free(upload->key);
    upload_reply_free(&upload->reply);
    redact_values_free(&upload->secrets);
    free(upload);
}

/* Nothing of it calls back any more. */
static void end_work(struct upload *upload)
{
    digest_file_cancel(upload->digest);
    upload->digest = NULL;
    if (upload->transfer.easy)
        http_transfer_remove(upload->http, &upload->transfer);
}

void upload_cancel(struct upload *upload)
{
    end_work(upload);
    upload_free(upload);
}

static void finish(struct upload *upload, struct err *e)
{
    snprintf(e->operation, sizeof e->operation, "%s", e->file[0] || !e->code[0] ? "" : "Upload");
    snprintf(upload->result.etag, sizeof upload->result.etag, "%s", upload->reply.etag);
    snprintf(upload->result.request_id, sizeof upload->result.request_id, "%s", upload->reply.request_id);
    snprintf(upload->result.host_id, sizeof upload->result.host_id, "%s", upload->reply.host_id);
    snprintf(e->request_id, sizeof e->request_id, "%s", e->code[0] ? upload->reply.request_id : "");
    upload->done(upload->arg, &upload->result, e);
    upload_free(upload);
}

static void deadline_passed(void *arg)
{
    struct upload *upload = arg;
    struct err e;
    upload->deadline = NULL;
    end_work(upload);
    err_clear(&e);
    err_set(&e, ERR_TIMEOUT, "the upload has not ended within the given timeout");
    e.retryable = true;
    finish(upload, &e);
}

/* ---- what is refused at once ---- */

static bool check_url(struct upload *upload, struct err *e)
{
    struct http_url url;
    if (!http_url_parse(upload->url, &url, e))
        return false;
    bool loopback = endpoint_is_loopback(url.host);
    bool https = strcasecmp(url.scheme, "https") == 0;
    bool http = strcasecmp(url.scheme, "http") == 0;
    /* A header may only be sent when the URL's signature covers it. */
    const char *list = strcasestr(url.query, "x-amz-signedheaders=");
    size_t list_len = list ? strcspn(list, "&") : 0;
    for (const char *p = list; p && p + 12 <= list + list_len; p++)
        upload->type_signed = upload->type_signed || strncasecmp(p, "content-type", 12) == 0;
    snprintf(upload->host, sizeof upload->host, "%s", url.authority);
    bool kept = redact_values_add_query(&upload->secrets, url.query);
    http_url_free(&url);
    if (!kept)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (https || (http && loopback))
        return true;
    return err_set(e, ERR_CONFIG, "the upload URL is not https: the data key and the file would travel readable");
}

/* Base64 of exactly 32 bytes; the digest of the bytes themselves is what the third header carries. */
static bool key_digest(const struct secret *key, char md5_text[32], struct err *e)
{
    unsigned char bytes[64], md5[EVP_MAX_MD_SIZE];
    unsigned md5_len = 0;
    const char *text = secret_bytes(key);
    size_t len = secret_len(key);
    int n = len == 44 ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) : -1;
    bool ok = n == DATA_KEY_BYTES + 1 && text[43] == '=' && text[42] != '=';
    if (ok)
        ok = EVP_Digest(bytes, DATA_KEY_BYTES, md5, &md5_len, EVP_md5(), NULL) == 1;
    if (ok)
        EVP_EncodeBlock((unsigned char *)md5_text, md5, (int)md5_len);
    secret_cleanse(bytes, sizeof bytes);
    secret_cleanse(md5, sizeof md5);
    secret_cleanse_stack();
    if (!ok)
        return err_set(e, ERR_CONFIG,
                       "the data key (ClientToken) is not base64 of 32 bytes: pass it on as GetUploadJobPath gave it");
    return true;
}

/* The key and its digest may come back in what the server says. */
static bool keep_key(struct upload *upload, struct err *e)
{
    char md5[32];
    bool ok = key_digest(upload->key, md5, e);
    if (ok && (!redact_values_add(&upload->secrets, secret_bytes(upload->key), secret_len(upload->key)) ||
               !redact_values_add(&upload->secrets, md5, strlen(md5))))
        ok = err_set(e, ERR_MEMORY, "out of memory");
    secret_cleanse(md5, sizeof md5);
    secret_cleanse_stack(); /* a thread that is started next begins with this one's registers */
    return ok;
}

static bool open_file(struct upload *upload, const struct upload_options *options, struct err *e)
{
    struct stat info;
    upload->named = options->fd < 0;
    /* A pipe without a writer would block here; it is refused below. */
    upload->fd = options->fd >= 0 ? fcntl(options->fd, F_DUPFD_CLOEXEC, 0)
                                  : open(upload->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    err_at(e, upload->path, 0, 0, NULL);
    if (upload->fd < 0 || fstat(upload->fd, &info) != 0)
        return err_errno(e, ERR_FILE, errno, "cannot open the file");
    if (S_ISDIR(info.st_mode))
        return err_set(e, ERR_FILE, "is a directory, not a file");
    if (!S_ISREG(info.st_mode))
        return err_set(e, ERR_FILE, "is not a regular file: its size must be known before it is sent");
    if (info.st_size == 0 && !options->allow_empty)
        return err_set(e, ERR_INVALID_FILE, "the file is empty: there is nothing to upload");
    file_identity_of(&info, &upload->identity);
    if (options->identity)
        upload->identity = *options->identity;
    if (!file_identity_check(&upload->identity, upload->fd, NULL, e))
        return false;
    err_at(e, NULL, 0, 0, NULL);
    return true;
}

static bool file_unchanged(struct upload *upload, struct err *e)
{
    if (file_identity_check(&upload->identity, upload->fd, upload->named ? upload->path : NULL, e))
        return true;
    return err_at(e, upload->path, 0, 0, NULL);
}

/* ---- the PUT ---- */

static uint64_t file_size(const struct upload *upload)
{
    return upload->identity.size;
}

static size_t give_bytes(char *into, size_t unit, size_t count, void *arg)
{
    struct upload *upload = arg;
    uint64_t left = file_size(upload) - upload->position;
    size_t want = unit * count < left ? unit * count : (size_t)left;
    ssize_t n = want ? pread(upload->fd, into, want, (off_t)upload->position) : 0;
    if (n < 0 || (n == 0 && want > 0)) {
        if (n < 0)
            err_errno(&upload->failure, ERR_FILE, errno, "cannot read the file");
        else if (file_unchanged(upload, &upload->failure))
            err_set(&upload->failure, ERR_FILE, "ended before its size");
        err_at(&upload->failure, upload->path, 0, 0, NULL);
        return CURL_READFUNC_ABORT;
    }
    upload->position += (uint64_t)n;
    return (size_t)n;
}

/* curl rewinds when a connection that it reused turns out to be dead. */
static int rewind_bytes(void *arg, curl_off_t offset, int origin)
{
    struct upload *upload = arg;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    upload->position = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *data, size_t unit, size_t count, void *arg)
{
    struct upload *upload = arg;
    return upload_reply_body(&upload->reply, data, unit * count) ? unit * count : 0;
}

static size_t take_header(char *data, size_t unit, size_t count, void *arg)
{
    struct upload *upload = arg;
    return upload_reply_header(&upload->reply, data, unit * count) ? unit * count : 0;
}

static void report(void *arg, uint64_t up)
{
    struct upload *upload = arg;
    uint64_t now = loop_now();
    if (upload->progress && (now - upload->reported_at >= 100 || up == file_size(upload))) {
        upload->reported_at = now;
        upload->progress(upload->arg, up, file_size(upload));
    }
}

static bool add_header(struct upload *upload, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, 4096);
    buf_addf(&line, "%s%s", name, value);
    struct curl_slist *list = line.failed ? NULL : curl_slist_append(upload->headers, line.data);
    buf_cleanse(&line);
    if (list)
        upload->headers = list;
    return list != NULL;
}

static bool expects(const struct upload *upload)
{
    return file_size(upload) >= EXPECT_100_FROM && !upload->no_expect;
}

static bool add_headers(struct upload *upload, struct err *e)
{
    char key_md5[32];
    if (!key_digest(upload->key, key_md5, e))
        return false;
    bool ok = add_header(upload, "x-amz-server-side-encryption-customer-algorithm: ", "AES256") &&
              add_header(upload, "x-amz-server-side-encryption-customer-key: ", secret_bytes(upload->key)) &&
              add_header(upload, "x-amz-server-side-encryption-customer-key-MD5: ", key_md5) &&
              add_header(upload, "Accept:", "") &&
              add_header(upload, upload->type_signed ? "Content-Type: text/csv" : "Content-Type:", "") &&
              /* Left to curl, which repeats a request that is refused for it without. */
              (expects(upload) || add_header(upload, "Expect:", ""));
    secret_cleanse(key_md5, sizeof key_md5);
    if (ok && upload->content_md5)
        ok = add_header(upload, "Content-MD5: ", upload->md5);
    secret_cleanse_stack();
    return ok || err_set(e, ERR_MEMORY, "out of memory");
}

static bool start_put(struct upload *upload, struct err *e) MUST_CHECK;

/* [I] Content-MD5 may be sent unsigned; an endpoint that refuses it for that gets the file without. */
static bool refused_for_md5(struct upload *upload, const struct err *e)
{
    return upload->content_md5 && e->status == 403 &&
           (err_is(e, "SignatureDoesNotMatch") || strcasestr(e->message, "not signed"));
}

/* What arrived is not what was digested: either the file is another one now, or a byte fell over on the way. */
static void explain_bad_digest(struct upload *upload, struct err *e)
{
    struct err changed;
    err_clear(&changed);
    if (!file_unchanged(upload, &changed))
        *e = changed;
    else
        e->retryable = true;
}

/* A server, or something on the way, may answer 200 before it has the file: what it has then is not the file. */
static bool all_was_sent(const struct upload *upload, struct err *e)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(upload->transfer.easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if ((uint64_t)sent == file_size(upload))
        return true;
    e->retryable = true;
    return err_set(e, ERR_CONNECTION, "the upload was answered before the whole file had been sent: %llu of %llu bytes",
                   (unsigned long long)sent, (unsigned long long)file_size(upload));
}

static void explain_failure(const struct upload *upload, int curl_code, struct err *e)
{
    if (upload->reply.received > UPLOAD_REPLY_MAX)
        err_set(e, ERR_RESPONSE, "the answer of %s to the upload has no end: it passes %zu bytes", upload->host, UPLOAD_REPLY_MAX);
    else
        http_transfer_error(upload->transfer.easy, curl_code, upload->url, e);
}

/* What came of the PUT: in *e, unless it was taken. */
static void read_outcome(struct upload *upload, int curl_code, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(upload->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (curl_code == CURLE_OK && !upload->reply.head_ended) /* which curl overlooks when a status has come */
        curl_code = CURLE_PARTIAL_FILE;
    if (status < 300 && curl_code != CURLE_OK)
        explain_failure(upload, curl_code, e);
    else if (status < 300 && !all_was_sent(upload, e))
        return;
    else if (!upload_is_taken(&upload->reply, (int)status))
        upload_read_error(&upload->reply, (int)status, upload->host, e);
    else
        (void)!file_unchanged(upload, e);
    if (err_is(e, "BadDigest"))
        explain_bad_digest(upload, e);
}

/* RFC 9110, 10.1.1: "repeat the request without the 100-continue expectation". curl does so, which it counts as a redirect, but
 * not when the connection is closed with the answer. */
static bool refused_for_expecting(const struct upload *upload, const struct err *e)
{
    long repeats = 0;
    curl_easy_getinfo(upload->transfer.easy, CURLINFO_REDIRECT_COUNT, &repeats);
    return e->status == 417 && expects(upload) && repeats == 0;
}

/* True when what was refused is now left out. */
static bool leave_out(struct upload *upload, const struct err *e)
{
    if (refused_for_expecting(upload, e)) {
        upload->no_expect = true;
        return true;
    }
    if (!refused_for_md5(upload, e))
        return false;
    log_wire('*', "upload: refused with Content-MD5 (%s): sending again without it", e->code);
    upload->content_md5 = false;
    upload->result.attempts++;
    return true;
}

static void put_done(void *arg, int curl_code)
{
    struct upload *upload = arg;
    struct err e = upload->failure;
    curl_off_t microseconds = 0;
    curl_easy_getinfo(upload->transfer.easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    upload->result.seconds = (double)microseconds / 1e6;
    if (!e.code[0])
        read_outcome(upload, curl_code, &e);
    bool again = leave_out(upload, &e);
    drop_transfer(upload);
    if (again) {
        err_clear(&e);
        if (start_put(upload, &e))
            return;
    }
    if (!e.code[0])
        upload->result.bytes = file_size(upload);
    finish(upload, &e);
}

static bool start_put(struct upload *upload, struct err *e)
{
    CURL *easy = upload->transfer.easy = curl_easy_init();
    upload->position = 0;
    upload_reply_reset(&upload->reply);
    if (!easy)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (!http_transfer_prepare(easy, upload->url, upload->connect_timeout_ms, e) || !add_headers(upload, e))
        return false;
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    /* S3 speaks no HTTP/2, whose compression would keep the headers, the key among them, for the life of the connection. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)file_size(upload));
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, upload->headers);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, upload);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_bytes);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, upload);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, upload);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, upload);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    upload->transfer.secrets = &upload->secrets;
    upload->transfer.stall_ms = upload->stall_timeout_ms;
    upload->transfer.progress = report;
    upload->transfer.done = put_done;
    upload->transfer.arg = upload;
    return http_transfer_add(upload->http, &upload->transfer, e);
}

/* ---- the start ---- */

static void digest_done(void *arg, const char *text, const struct err *failure)
{
    struct upload *upload = arg;
    struct err e = *failure;
    upload->digest = NULL;
    snprintf(upload->md5, sizeof upload->md5, "%s", text);
    if (file_unchanged(upload, &e) && e.code[0]) /* what else it was is told where */
        err_at(&e, upload->path, 0, 0, NULL);
    if (e.code[0] || !start_put(upload, &e))
        finish(upload, &e);
}

struct upload *upload_start(struct http *http, struct loop *loop, const struct upload_options *options,
                            void (*done)(void *arg, const struct upload_result *result, const struct err *e),
                            void *arg, struct err *e)
{
    struct upload *upload = calloc(1, sizeof *upload);
    if (!upload) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    upload->fd = -1;
    upload->http = http;
    upload->content_md5 = !options->no_content_md5;
    snprintf(upload->md5, sizeof upload->md5, "%s", options->content_md5 ? options->content_md5 : "");
    upload->connect_timeout_ms = options->connect_timeout_ms;
    upload->stall_timeout_ms = options->stall_timeout_ms ? options->stall_timeout_ms : 60000;
    upload->progress = options->progress;
    upload->done = done;
    upload->arg = arg;
    upload->result.attempts = 1;
    redact_values_init(&upload->secrets);
    upload_reply_init(&upload->reply, &upload->secrets);
    upload->url = strdup(options->url);
    upload->path = strdup(options->path ? options->path : "the file");
    upload->key = secret_new(secret_bytes(options->key), secret_len(options->key));
    if (!upload->url || !upload->path || !upload->key) {
        err_set(e, ERR_MEMORY, "out of memory");
        goto failed;
    }
    if (!check_url(upload, e) || !keep_key(upload, e) || !open_file(upload, options, e))
        goto failed;
    if (options->timeout_ms > 0) {
        upload->deadline = loop_deadline_start(loop, (uint64_t)options->timeout_ms, deadline_passed, upload);
        if (!upload->deadline) {
            err_set(e, ERR_MEMORY, "out of memory");
            goto failed;
        }
    }
    bool digest_first = upload->content_md5 && !upload->md5[0];
    if (digest_first)
        upload->digest = digest_file_start(loop, upload->fd, file_size(upload), digest_done, upload, e);
    if (digest_first ? upload->digest != NULL : start_put(upload, e))
        return upload;
failed:
    upload_free(upload);
    return NULL;
}
