#include "core/api_turns.h"

#include <math.h>

double api_turns_now(void)
{
    return (double)loop_now() / 1000;
}

void api_turns_init(struct api_turns *turns, struct loop *loop, double most)
{
    *turns = (struct api_turns){.loop = loop};
    api_rate_init(&turns->rate, most);
}

bool api_turns_take(struct api_turns *turns)
{
    double now = api_turns_now();
    if (turns->first || api_rate_wait(&turns->rate, now) > 0)
        return false;
    api_rate_take(&turns->rate, now);
    return true;
}

static void first_is_due(void *arg);

static bool start_timer(struct api_turns *turns)
{
    if (turns->first && !turns->timer) {
        double wait = api_rate_wait(&turns->rate, api_turns_now());
        turns->timer = loop_timer_start(turns->loop, (uint64_t)ceil(wait * 1000), first_is_due, turns);
    }
    return turns->timer || !turns->first;
}

/* The rate may have been cut meanwhile. What comes of the turn may free the queue, when it was the last: it is told at the end. */
static void first_is_due(void *arg)
{
    struct api_turns *turns = arg;
    struct api_turn *turn = turns->first;
    double now = api_turns_now();
    turns->timer = NULL;
    bool came = turn && api_rate_wait(&turns->rate, now) <= 0;
    if (came) {
        turns->first = turn->next;
        turn->of = NULL;
        api_rate_take(&turns->rate, now);
    }
    (void)!start_timer(turns); /* without memory for it those behind wait for the next one that comes */
    if (came)
        turn->came(turn->arg);
}

bool api_turns_wait(struct api_turns *turns, struct api_turn *turn, void (*came)(void *arg), void *arg, struct err *e)
{
    struct api_turn **last = &turns->first;
    *turn = (struct api_turn){.of = turns, .came = came, .arg = arg};
    while (*last)
        last = &(*last)->next;
    *last = turn;
    if (start_timer(turns))
        return true;
    api_turn_leave(turn);
    return err_set(e, ERR_MEMORY, "out of memory");
}

void api_turn_leave(struct api_turn *turn)
{
    struct api_turns *turns = turn->of;
    if (!turns)
        return;
    struct api_turn **at = &turns->first;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    turn->of = NULL;
    if (turns->first)
        return;
    loop_timer_stop(turns->timer);
    turns->timer = NULL;
}

void api_turns_throttled(struct api_turns *turns, double sent)
{
    api_rate_throttled(&turns->rate, sent, api_turns_now());
}

void api_turns_answered(struct api_turns *turns)
{
    api_rate_answered(&turns->rate, api_turns_now());
}
