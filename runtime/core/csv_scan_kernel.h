/* csv_scan_kernel: the scan itself, compiled once per path. Before it is included stand
 *
 *   PATH(name)      the name of a function on this path
 *   TARGET          attributes of its functions
 *   struct needles, needles_of(scan), block_at(bytes, needles)   what is looked for, and a block's masks of it
 *   prefix_xor(bits)   bit i of the result is the parity of bits 0 to i
 *   count_bits(bits), first_bit(bits), last_bit(bits)   first and last of bits that are not 0
 */

/* What the quotes of a block mean. */
struct PATH(meaning) {
    uint64_t inside;  /* bits behind an opening quote, up to the closing one */
    uint64_t suspect; /* a quote that opens where none may, or a byte where a cell should have ended */
};

TARGET static inline struct PATH(meaning) PATH(read_quotes)(struct csv_scan_state *state, const struct block *block, unsigned last,
                                                          uint64_t valid)
{
    uint64_t inside = prefix_xor(block->quotes) ^ state->inside;
    uint64_t closing = block->quotes & ~inside;
    uint64_t around = block->quotes | block->delimiters | block->lf | block->cr;
    uint64_t suspect = (block->quotes & inside & ~((around << 1) | state->may_open)) |
                       (((closing << 1) | state->after_close) & ~around & valid);
    state->inside = (uint64_t)((int64_t)inside >> 63);
    state->may_open = around >> last & 1;
    state->after_close = closing >> last & 1;
    return (struct PATH(meaning)){inside, suspect};
}

/* ---- the index ---- */

TARGET static inline void PATH(add_ends)(struct csv_scan *scan, uint64_t ends, uint32_t base)
{
    uint32_t *at = scan->ends + scan->end_count;
    scan->end_count += count_bits(ends);
    /* Most blocks have up to eight: they are written without asking how many. What is written too much is written over. */
    for (;;) {
        for (int i = 0; i < 8; i++) {
            at[i] = base + first_bit(ends);
            ends &= ends - 1;
        }
        if (!ends)
            return;
        at += 8;
    }
}

TARGET static inline void PATH(add_records)(struct csv_scan *scan, uint64_t line_ends, uint64_t ends)
{
    while (line_ends) {
        unsigned bit = first_bit(line_ends);
        scan->records[scan->record_count++] = (uint32_t)(scan->end_count + count_bits(ends & BELOW(bit)));
        line_ends &= line_ends - 1;
    }
}

TARGET static inline void PATH(add_inner)(struct csv_scan *scan, const char *text, uint64_t line_ends, size_t base)
{
    while (line_ends) {
        size_t at = base + first_bit(line_ends);
        /* An LF in quotes is not the first byte: a quote stands before it. */
        if (text[at] == '\r' || text[at - 1] != '\r')
            scan->inner[scan->inner_count++] = (uint32_t)at;
        line_ends &= line_ends - 1;
    }
}

TARGET static inline size_t PATH(index_block)(struct csv_scan *scan, struct csv_scan_state *state, const struct block *block,
                                            const char *text, size_t base, unsigned length)
{
    uint64_t valid = length < 64 ? BELOW(length) : ~(uint64_t)0;
    struct PATH(meaning) is = PATH(read_quotes)(state, block, length - 1, valid);
    uint64_t line_ends = block->lf | block->cr;
    uint64_t outside = ~is.inside;
    size_t stop = base + length;
    if (__builtin_expect(is.suspect != 0, 0)) {
        unsigned bit = first_bit(is.suspect);
        outside &= BELOW(bit);
        line_ends &= BELOW(bit);
        stop = base + bit;
    }
    uint64_t ends = (block->delimiters & outside) | (line_ends & outside);
    if (line_ends & ~outside)
        PATH(add_inner)(scan, text, line_ends & ~outside, base);
    PATH(add_records)(scan, line_ends & outside, ends);
    if (ends)
        PATH(add_ends)(scan, ends, (uint32_t)base);
    return stop;
}

/* The last bytes, as a block of their own: a 0 is none of the bytes that are looked for. */
TARGET static inline struct block PATH(last_block)(const char *text, unsigned length, const struct needles *needles)
{
    char rest[64] = {0};
    memcpy(rest, text, length);
    return block_at(rest, needles);
}

TARGET static size_t PATH(index)(struct csv_scan *scan, const char *text, size_t from, size_t to)
{
    struct csv_scan_state state = scan->state;
    struct needles needles = needles_of(scan);
    size_t at = from, stop;
    for (; to - at >= 64; at += 64) {
        struct block block = block_at(text + at, &needles);
        stop = PATH(index_block)(scan, &state, &block, text, at, 64);
        if (stop != at + 64)
            return stop;
    }
    if (at < to) {
        unsigned length = (unsigned)(to - at);
        struct block block = PATH(last_block)(text + at, length, &needles);
        stop = PATH(index_block)(scan, &state, &block, text, at, length);
        if (stop != to)
            return stop;
    }
    scan->state = state;
    return to;
}

/* ---- counting ---- */

TARGET static inline void PATH(count_ends)(struct csv_scan_state *state, const struct block *block, uint64_t ended, size_t base,
                                         unsigned length, struct csv_scan_count *count)
{
    uint64_t lines = block->cr | (block->lf & ~((block->cr << 1) | state->after_cr));
    if (ended) {
        unsigned last = last_bit(ended);
        count->records += count_bits(ended & ~((ended << 1) | state->after_end));
        count->next = base + last + 1;
        count->next_lines = count->lines + (long)count_bits(lines & (BELOW(last) << 1 | 1));
    }
    count->lines += (long)count_bits(lines);
    state->after_end = ended >> (length - 1) & 1;
    state->after_cr = block->cr >> (length - 1) & 1;
}

/* Returns the position behind what is as it must be. */
TARGET static inline size_t PATH(count_block)(struct csv_scan_state *state, const struct block *block, size_t base, unsigned length,
                                            struct csv_scan_count *count)
{
    uint64_t valid = length < 64 ? BELOW(length) : ~(uint64_t)0;
    uint64_t ended = block->lf | block->cr;
    size_t stop = base + length;
    struct PATH(meaning) is = PATH(read_quotes)(state, block, length - 1, valid);
    ended &= ~is.inside;
    if (__builtin_expect(is.suspect != 0, 0)) {
        unsigned bit = first_bit(is.suspect);
        ended &= BELOW(bit);
        stop = base + bit;
    }
    PATH(count_ends)(state, block, ended, base, length, count);
    return stop;
}

TARGET static size_t PATH(count)(struct csv_scan *scan, const char *text, size_t from, size_t to, struct csv_scan_count *count)
{
    struct csv_scan_state state = scan->state;
    struct csv_scan_count seen = *count;
    struct needles needles = needles_of(scan);
    size_t at = from, stop = from;
    for (; to - at >= 64; at += 64) {
        struct block block = block_at(text + at, &needles);
        stop = PATH(count_block)(&state, &block, at, 64, &seen);
        if (stop != at + 64)
            break;
    }
    if (stop == at && at < to) {
        struct block block = PATH(last_block)(text + at, (unsigned)(to - at), &needles);
        stop = PATH(count_block)(&state, &block, at, (unsigned)(to - at), &seen);
    }
    scan->state = state;
    *count = seen;
    return stop;
}
