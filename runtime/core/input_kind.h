/* input_kind: what the first bytes say, never the name: compression, another format than CSV, a form of Unicode. */
#ifndef UPJOB_CORE_INPUT_KIND_H
#define UPJOB_CORE_INPUT_KIND_H

#include <stdbool.h>
#include <stddef.h>

enum input_compression { INPUT_PLAIN, INPUT_GZIP, INPUT_ZSTD };

/* Bytes that are enough for the first two. */
#define INPUT_KIND_BYTES 8

enum input_compression input_kind_compression(const char *bytes, size_t len);
/* What a file is that is no CSV file at all and what to do, as the end of a sentence ("is …: save it as CSV"); NULL otherwise. */
const char *input_kind_foreign(const char *bytes, size_t len);
/* The form of Unicode that the text begins with, by its byte-order mark, or, for UTF-16 and UTF-32 without one, by where its
 * NUL bytes stand: "UTF-8" (with a mark only) "UTF-16LE" "UTF-16BE" "UTF-32LE" "UTF-32BE", or NULL. *mark is the mark's
 * length. The more bytes, up to some 64 KiB, the better. */
const char *input_kind_unicode(const char *bytes, size_t len, size_t *mark);

#endif
