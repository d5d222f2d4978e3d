/* uploads: the S3 face: a PUT to a pre-signed URL under a customer-provided key, checked before its body is read. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/secret.h"
#include "local/service.h"

#define SSE "x-amz-server-side-encryption-customer-"
#define STALL_SECONDS 600.0 /* that a rehearsed stall lasts at most */
#define STALL_LOOK_MS 250
#define MAX_OBJECT 5368709120.0 /* bytes of one PUT: Amazon S3 limits */

/* ---- the checks of the head ---- */

static bool check_length(struct exchange *ex)
{
    const char *length = exchange_header(ex, "content-length"), *encoding = exchange_header(ex, "transfer-encoding");
    if (encoding)
        return exchange_refuse(ex, 501, "NotImplemented",
                               "A header you provided implies functionality that is not implemented");
    if (!length)
        return exchange_refuse(ex, 411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
    if (atof(length) > MAX_OBJECT)
        return exchange_refuse(ex, 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
    return true;
}

/* Base64 of exactly `size` bytes. */
static bool decode(const char *text, unsigned char *out, size_t size)
{
    unsigned char bytes[64];
    size_t len = strlen(text), padding = (3 - size % 3) % 3;
    bool ok = len == (size + 2) / 3 * 4 && len < sizeof bytes && memcmp(text + len - padding, "==", padding) == 0 &&
              EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) == (int)(size + padding);
    if (ok)
        memcpy(out, bytes, size);
    secret_cleanse(bytes, sizeof bytes);
    return ok;
}

static bool check_sse_headers(struct exchange *ex)
{
    const char *algorithm = exchange_header(ex, SSE "algorithm"), *key = exchange_header(ex, SSE "key");
    const char *md5 = exchange_header(ex, SSE "key-md5");
    unsigned char bytes[DATA_KEY_SIZE];
    char text[64], digest[40];
    if (!algorithm && !key && !md5)
        return exchange_refuse(ex, 400, "InvalidRequest", "The object must be stored using a form of Server Side Encryption. "
                               "The correct parameters must be provided.");
    if (!algorithm)
        return exchange_refuse(ex, 400, "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide a valid encryption algorithm.");
    if (strcmp(algorithm, "AES256") != 0)
        return exchange_refuse(ex, 400, "InvalidEncryptionAlgorithmError", "The encryption request you specified is not valid. "
                               "The valid value is AES256.");
    if (!key)
        return exchange_refuse(ex, 400, "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide an appropriate secret key.");
    if (!decode(key, bytes, sizeof bytes))
        return exchange_refuse(ex, 400, "InvalidArgument", "The secret key was invalid for the specified algorithm.");
    if (!md5) {
        secret_cleanse(bytes, sizeof bytes);
        return exchange_refuse(ex, 400, "InvalidArgument", "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide the client calculated MD5 of the secret key.");
    }
    object_key_texts(bytes, text, digest);
    bool same = strcmp(digest, md5) == 0;
    secret_cleanse(bytes, sizeof bytes);
    secret_cleanse(text, sizeof text);
    return same || exchange_refuse(ex, 400, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash "
                                   "that was provided.");
}

static bool check_content_md5(struct exchange *ex)
{
    const char *md5 = exchange_header(ex, "content-md5");
    ex->has_content_md5 = md5 != NULL;
    return !md5 || decode(md5, ex->content_md5, sizeof ex->content_md5) ||
           exchange_refuse(ex, 400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
}

/* /upload-jobs/DOMAIN/JOB/PATH-ID */
static bool read_path(struct exchange *ex)
{
    struct upload_path *path = &ex->upload_path;
    int end = 0;
    if (strcmp(ex->method, "PUT") != 0)
        return exchange_refuse(ex, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    return (sscanf(ex->path, UPLOAD_PREFIX "%64[^/]/%32[0-9a-f]/%32[0-9a-f]%n", path->domain, path->job_id, path->id, &end) ==
                3 && !ex->path[end]) ||
           exchange_refuse(ex, 404, "NoSuchKey", "The specified key does not exist.");
}

/* ---- the path that was given out, on the state worker's thread ---- */

/* A path or job that is gone, or takes no file any more, is the API's to explain: S3 knows nothing of it. */
static void hide_reason(struct exchange *ex)
{
    if (ex->err.status)
        exchange_refuse(ex, 403, "AccessDenied", "Access Denied");
}

static void ask_path(void *arg)
{
    struct exchange *ex = arg;
    struct upload_path given;
    if (!state_get_path(ex->service->state, ex->upload_path.id, &given, &ex->err))
        hide_reason(ex);
    else if (strcmp(given.job_id, ex->upload_path.job_id) != 0 || strcmp(given.domain, ex->upload_path.domain) != 0)
        exchange_refuse(ex, 403, "AccessDenied", "Access Denied");
    else
        ex->upload_path = given;
}

static void intake_told(void *arg);

static void open_intake(struct exchange *ex, const unsigned char key[DATA_KEY_SIZE])
{
    uint64_t size = (uint64_t)atof(exchange_header(ex, "content-length"));
    struct object_writer *writer = object_writer_new(ex->service->objects, ex->object, key, size, &ex->err);
    if (writer)
        ex->intake = intake_new(ex->service->intakes, writer, intake_told, ex, &ex->err);
}

/* The key that came must be the one that was given out for this path; the object is written under it. Each PUT writes an object
 * of its own, so that one which is cut or refused leaves alone what another has stored. */
static void open_object(struct exchange *ex)
{
    unsigned char given[DATA_KEY_SIZE], sent[DATA_KEY_SIZE];
    if (name_new(ex->object, &ex->err) &&
        objects_unwrap(ex->service->objects, ex->upload_path.id, ex->upload_path.wrapped_key, given, &ex->err) &&
        decode(exchange_header(ex, SSE "key"), sent, sizeof sent)) {
        if (secret_equal(given, sent, sizeof given))
            open_intake(ex, given);
        else
            exchange_refuse(ex, 403, "AccessDenied", "Access Denied");
    }
    secret_cleanse(given, sizeof given);
    secret_cleanse(sent, sizeof sent);
}

static void path_known(void *arg)
{
    struct exchange *ex = arg;
    if (!ex->err.code[0])
        open_object(ex);
    ex->phase = PHASE_CHECKED;
    exchange_resume(ex);
}

static void choose_faults(struct exchange *ex)
{
    struct faults *faults = ex->service->faults;
    double length = atof(exchange_header(ex, "content-length"));
    ex->drop_at = ex->stall_at = UINT64_MAX;
    if (faults_strike(faults, FAULT_DROP_UPLOAD, "PutObject"))
        ex->drop_at = (uint64_t)(faults_where(faults) * length);
    if (faults_strike(faults, FAULT_STALL_UPLOAD, "PutObject"))
        ex->stall_at = (uint64_t)(faults_where(faults) * length);
}

void uploads_begin(struct exchange *ex)
{
    if (!read_path(ex) || !check_length(ex) || !check_sse_headers(ex) || !auth_check_upload(ex) || !check_content_md5(ex)) {
        ex->phase = PHASE_CHECKED;
        return;
    }
    choose_faults(ex);
    if (!worker_post(ex->service->state_worker, ask_path, path_known, ex)) {
        err_set(&ex->err, ERR_MEMORY, "out of memory");
        ex->phase = PHASE_CHECKED;
        return;
    }
    ex->phase = PHASE_CHECKING;
    exchange_suspend(ex);
}

/* ---- the body ---- */

/* How many of the bytes are taken, as the faults allow. */
static size_t taken_of(struct exchange *ex, size_t len)
{
    double rate = faults_upload_rate(ex->service->faults);
    if (ex->received + len > ex->drop_at) {
        ex->dropped = true;
        return 0;
    }
    if (ex->received + len > ex->stall_at) {
        double now = clock_steady();
        ex->stalled_since = ex->stalled_since > 0 ? ex->stalled_since : now;
        ex->dropped = now - ex->stalled_since > STALL_SECONDS || exchange_client_closed(ex);
        if (!ex->dropped)
            exchange_pause(ex, STALL_LOOK_MS);
        return 0;
    }
    if (rate > 0) {
        size_t most = (size_t)(rate / 20) + 1;
        len = len < most ? len : most;
        exchange_pause(ex, (uint64_t)((double)len / rate * 1000));
    }
    return len;
}

/* What is left over is handed over once more only when the exchange was suspended, so some of it is left for that alone. */
size_t uploads_body(struct exchange *ex, const void *bytes, size_t len)
{
    const char *from = bytes;
    size_t taken = 0;
    while (taken < len && !ex->suspended && !ex->dropped) {
        size_t left = len - taken, room = intake_room(ex->intake);
        if (room == 0) {
            intake_wait(ex->intake);
            exchange_suspend(ex);
            break;
        }
        size_t n = taken_of(ex, left < room ? left : room);
        if (n == 0)
            break;
        if (!intake_add(ex->intake, from + taken, n, &ex->err))
            return len;
        taken += n;
        ex->received += n;
    }
    return taken;
}

/* An upload is kept in three steps: its last bytes are written; the objects worker syncs and renames; then the state worker notes
 * it in the job. */
static void answer(struct exchange *ex)
{
    ex->phase = PHASE_READY;
    exchange_resume(ex);
}

static void note_object(void *arg)
{
    struct exchange *ex = arg;
    char *replaced = NULL;
    bool noted = state_set_object(ex->service->state, ex->upload_path.id, ex->object, &ex->facts, &replaced, &ex->err);
    if (!noted)
        hide_reason(ex);
    service_remove_object(ex->service, noted ? replaced : ex->object);
    free(replaced);
}

static void object_noted(void *arg)
{
    answer(arg);
}

static void store_object(void *arg)
{
    struct exchange *ex = arg;
    (void)!object_writer_finish(intake_writer(ex->intake), &ex->err);
}

static void object_stored(void *arg)
{
    struct exchange *ex = arg;
    if (!ex->err.code[0] && worker_post(ex->service->state_worker, note_object, object_noted, ex))
        return;
    if (!ex->err.code[0])
        err_set(&ex->err, ERR_MEMORY, "out of memory");
    answer(ex);
}

static bool check_digest(struct exchange *ex)
{
    if (!ex->has_content_md5)
        return true;
    if (!ex->service->facts.unsigned_md5_taken)
        return exchange_refuse(ex, 403, "AccessDenied", "There were headers present in the request which were not signed");
    return memcmp(ex->facts.md5, ex->content_md5, sizeof ex->content_md5) == 0 ||
           exchange_refuse(ex, 400, "BadDigest", "The Content-MD5 you specified did not match what we received.");
}

static void body_written(struct exchange *ex)
{
    bool is_good = intake_facts(ex->intake, &ex->facts, &ex->err) && check_digest(ex);
    /* Under SSE-C the ETag is not the MD5 of the file. */
    if (is_good)
        snprintf(ex->etag, sizeof ex->etag, "\"%s\"", ex->object);
    if (is_good && worker_post(ex->service->objects_worker, store_object, object_stored, ex))
        return;
    if (is_good)
        err_set(&ex->err, ERR_MEMORY, "out of memory");
    answer(ex);
}

/* There is room for more, or all of it is written. */
static void intake_told(void *arg)
{
    struct exchange *ex = arg;
    if (ex->phase == PHASE_BODY)
        exchange_resume(ex);
    else
        body_written(ex);
}

void uploads_finish(struct exchange *ex)
{
    ex->phase = PHASE_READY;
    if (ex->err.code[0])
        return;
    ex->phase = PHASE_WORKING;
    exchange_suspend(ex);
    intake_end(ex->intake);
}

static void add_element(struct buf *xml, const char *name, const char *text)
{
    buf_addf(xml, "<%s>", name);
    for (; *text; text++)
        if (*text == '<')
            buf_adds(xml, "&lt;");
        else if (*text == '>')
            buf_adds(xml, "&gt;");
        else if (*text == '&')
            buf_adds(xml, "&amp;");
        else
            buf_addc(xml, *text);
    buf_addf(xml, "</%s>", name);
}

void uploads_render(struct exchange *ex)
{
    ex->status = 200;
    if (!ex->err.code[0])
        return;
    if (ex->err.status == 0) {
        char message[768];
        snprintf(message, sizeof message, "%s", ex->err.message);
        if (ex->err.retryable)
            exchange_refuse(ex, 503, "ServiceUnavailable", "%s", message);
        else
            exchange_refuse(ex, 500, "InternalError", "%s", message);
    }
    ex->status = ex->err.status;
    ex->etag[0] = '\0';
    buf_adds(&ex->text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    add_element(&ex->text, "Code", ex->err.code);
    add_element(&ex->text, "Message", ex->err.message);
    if (ex->not_signed[0])
        add_element(&ex->text, "HeadersNotSigned", ex->not_signed);
    add_element(&ex->text, "RequestId", ex->request_id);
    buf_adds(&ex->text, "<HostId>bG9jYWw=</HostId></Error>");
}
