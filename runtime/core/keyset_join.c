#include "core/keyset.h"

static bool next_before(struct keyset_join *join, struct err *err)
{
    enum keysort_answer answer = keyset_next(join->before, &join->old, err);
    join->has_before = answer == KEYSORT_ENTRY;
    join->matched = false;
    return answer != KEYSORT_FAILED;
}

static bool next_now(struct keyset_join *join, struct err *err)
{
    enum keysort_answer answer = keysort_next(join->now, &join->entry, err);
    join->has_now = answer == KEYSORT_ENTRY;
    return answer != KEYSORT_FAILED;
}

/* Below zero: the key before comes first; above: the one now. */
static int which_first(const struct keyset_join *join)
{
    if (!join->has_before || !join->has_now)
        return join->has_before ? -1 : 1;
    return keysort_compare_keys(&join->old, &join->entry.record);
}

static void describe_now(struct keyset_join *join, bool known, struct keyset_change *change)
{
    bool one = join->entry.first && join->entry.last;
    change->now = join->entry;
    change->fate = !known ? KEYSET_NEW : one && join->entry.record.row == join->old.row ? KEYSET_SAME : KEYSET_CHANGED;
    if (known) {
        change->before = join->old;
        join->matched = true;
    }
}

static enum keysort_answer next_change(struct keyset_join *join, struct keyset_change *change, struct err *err)
{
    while (join->has_before || join->has_now) {
        int order = which_first(join);
        if (order >= 0) {
            describe_now(join, order == 0, change);
            return next_now(join, err) ? KEYSORT_ENTRY : KEYSORT_FAILED;
        }
        bool gone = !join->matched;
        change->fate = KEYSET_GONE;
        change->before = join->old;
        if (!next_before(join, err))
            return KEYSORT_FAILED;
        if (gone)
            return KEYSORT_ENTRY;
    }
    return KEYSORT_END;
}

enum keysort_answer keyset_join_next(struct keyset_join *join, struct keyset_change *change, struct err *err)
{
    enum keysort_answer answer = KEYSORT_FAILED;
    if (join->failed)
        err_set(err, ERR_INTERNAL, "a comparison of keys that failed is gone on with");
    else if (join->begun || (next_before(join, err) && next_now(join, err)))
        answer = next_change(join, change, err);
    join->begun = true;
    join->failed = answer == KEYSORT_FAILED;
    return answer;
}
