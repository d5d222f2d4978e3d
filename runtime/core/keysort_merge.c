#include "core/keysort_merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

bool merge_begin(struct keysort_merge *merge, const struct scratch *file, const struct keysort_run *runs, size_t count,
                 struct keysort_record *memory, size_t records, struct err *err)
{
    memset(merge, 0, sizeof *merge);
    merge->sources = calloc(count, sizeof *merge->sources);
    merge->nodes = calloc(count * 2, sizeof *merge->nodes);
    if (!merge->sources || !merge->nodes) {
        merge_free(merge);
        return err_set(err, ERR_MEMORY, "no memory to merge keys");
    }
    merge->file = file;
    merge->count = count;
    merge->buffer_records = records / count < MERGE_BUFFER ? records / count : MERGE_BUFFER;
    for (size_t i = 0; i < count; i++)
        merge->sources[i] = (struct merge_source){
            .position = runs[i].begin, .left = runs[i].count, .buffer = memory + i * merge->buffer_records};
    return true;
}

void merge_free(struct keysort_merge *merge)
{
    free(merge->sources);
    free(merge->nodes);
    memset(merge, 0, sizeof *merge);
}

/* What follows is asked for ahead, so that a disk works while the merge does. */
static bool fill(struct keysort_merge *merge, struct merge_source *source, struct err *err)
{
    const uint64_t size = sizeof *source->buffer;
    uint64_t n = source->left < merge->buffer_records ? source->left : merge->buffer_records;
    source->at = source->have = 0;
    if (n == 0)
        return true;
    if (!scratch_read(merge->file, source->position * size, source->buffer, (size_t)(n * size), err))
        return false;
    source->have = (size_t)n;
    source->position += n;
    source->left -= n;
    n = source->left < merge->buffer_records ? source->left : merge->buffer_records;
    if (n > 0)
        posix_fadvise(merge->file->fd, (off_t)(source->position * size), (off_t)(n * size), POSIX_FADV_WILLNEED);
    return true;
}

static struct merge_node node_of(const struct keysort_merge *merge, size_t index)
{
    const struct merge_source *source = &merge->sources[index];
    bool end = source->at == source->have;
    return (struct merge_node){end ? UINT64_MAX : source->buffer[source->at].key[0], index};
}

static bool wins(const struct keysort_merge *merge, struct merge_node a, struct merge_node b)
{
    if (a.key != b.key)
        return a.key < b.key;
    const struct merge_source *x = &merge->sources[a.source], *y = &merge->sources[b.source];
    if (x->at == x->have || y->at == y->have)
        return y->at == y->have;
    return keysort_before(&x->buffer[x->at], &y->buffer[y->at]);
}

static void build_tree(struct keysort_merge *merge)
{
    struct merge_node *nodes = merge->nodes;
    size_t count = merge->count;
    for (size_t i = 0; i < count; i++)
        nodes[count + i] = node_of(merge, i);
    /* Each place gets the winner of the two below it; then, from the top, the loser in its stead. */
    for (size_t i = count - 1; i > 0; i--)
        nodes[i] = wins(merge, nodes[2 * i], nodes[2 * i + 1]) ? nodes[2 * i] : nodes[2 * i + 1];
    nodes[0] = nodes[1];
    for (size_t i = 1; i < count; i++)
        nodes[i] = nodes[i].source == nodes[2 * i].source ? nodes[2 * i + 1] : nodes[2 * i];
}

bool merge_open_step(struct keysort_merge *merge, size_t *work, bool *more, struct err *err)
{
    while (merge->opened < merge->count && *work > 0) {
        struct merge_source *source = &merge->sources[merge->opened];
        if (!fill(merge, source, err))
            return false;
        *work -= source->have < *work ? source->have : *work;
        merge->opened++;
    }
    *more = merge->opened < merge->count;
    if (!*more)
        build_tree(merge);
    return true;
}

bool merge_next(struct keysort_merge *merge, struct keysort_record *out, bool *end, struct err *err)
{
    struct merge_node *nodes = merge->nodes, now = nodes[0];
    struct merge_source *source = &merge->sources[now.source];
    *end = source->at == source->have;
    if (*end)
        return true;
    *out = source->buffer[source->at++];
    if (source->at == source->have && !fill(merge, source, err))
        return false;
    now = node_of(merge, now.source);
    for (size_t i = (merge->count + now.source) / 2; i > 0; i /= 2)
        if (wins(merge, nodes[i], now)) {
            struct merge_node lost = now;
            now = nodes[i];
            nodes[i] = lost;
        }
    nodes[0] = now;
    return true;
}
