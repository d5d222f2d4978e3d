/* prompt: upjob.native.prompt: line editing over libedit, in a module that is loaded when first used. Tasks go on while the
 * prompt waits; what they print goes above the line that is being typed. */
#include <errno.h>
#include <histedit.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/log.h"
#include "core/secret.h"
#include "host/state.h"

#define PROMPT_TYPE "upjob.prompt"

struct key_wait {
    struct wait wait;
    uv_poll_t *poll;
};

struct prompt {
    EditLine *edit;
    History *history;
    lua_State *L; /* that is reading, while it reads */
    char text[64];
    char *history_file; /* NULL: not kept */
    bool interrupted;
    struct err interrupt; /* what by */
    struct key_wait *key; /* while it waits for one, or NULL */
    bool aside;           /* the line was taken away for output of a task */
    bool in_line;         /* that output does not end with a line end */
    pthread_t thread;     /* that reads */
};

/* ---- making room for what tasks print ---- */

static size_t columns_of(const char *text, const char *end)
{
    mbstate_t state = {0};
    wchar_t character;
    size_t columns = 0;
    while (text < end) {
        size_t used = mbrtowc(&character, text, (size_t)(end - text), &state);
        if (used == 0 || used > (size_t)(end - text))
            break;
        int width = wcwidth(character);
        columns += width < 0 ? 2 : (size_t)width; /* a control character is shown as ^X */
        text += used;
    }
    return columns;
}

/* Takes the line that is being typed from the terminal, for output that follows. The wait for a key ends, so that the line
 * comes back once those who print have had their turn. */
static void step_aside(struct prompt *prompt, bool ends_line)
{
    struct winsize size;
    if (!prompt->key || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    prompt->in_line = !ends_line;
    if (prompt->aside)
        return;
    prompt->aside = true;
    const LineInfo *line = el_line(prompt->edit);
    size_t before = columns_of(prompt->text, prompt->text + strlen(prompt->text)) + columns_of(line->buffer, line->cursor);
    if (size.ws_col && before >= size.ws_col)
        printf("\033[%zuA", before / size.ws_col);
    fputs("\r\033[J", stdout);
    fflush(stdout);
    wait_finish(&prompt->key->wait);
}

static void come_back(struct prompt *prompt)
{
    prompt->aside = false;
    if (prompt->in_line)
        putchar('\n');
    el_set(prompt->edit, EL_REFRESH);
}

static void before_log(void *arg)
{
    struct prompt *prompt = arg;
    if (pthread_equal(prompt->thread, pthread_self()))
        step_aside(prompt, true);
}

/* ---- waiting for a key while the loop turns ---- */

static void poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void key_cancel(struct wait *w)
{
    struct key_wait *key = (struct key_wait *)w;
    if (key->poll)
        uv_close((uv_handle_t *)key->poll, poll_closed);
    key->poll = NULL;
}

static int key_results(lua_State *L, struct wait *w, int index)
{
    (void)L;
    (void)w;
    (void)index;
    return 0;
}

static const struct wait_class key_class = {key_results, key_cancel, false};

static void key_ready(uv_poll_t *poll, int status, int events)
{
    struct key_wait *key = poll->data;
    (void)status;
    (void)events;
    wait_finish(&key->wait);
}

/* True when standard input can be read, or the prompt stepped aside; false when interrupted. */
static bool wait_for_key(struct prompt *prompt)
{
    lua_State *L = prompt->L;
    struct key_wait *key = wait_new(L, sizeof *key, &key_class);
    key->poll = calloc(1, sizeof *key->poll);
    if (!key->poll || uv_poll_init(loop_uv(app_of(L)->loop), key->poll, STDIN_FILENO) != 0) {
        free(key->poll);
        key->poll = NULL;
        lua_pop(L, 1);
        return true; /* a file: reading does not block */
    }
    key->poll->data = key;
    uv_poll_start(key->poll, UV_READABLE, key_ready);
    key->wait.started = true;
    prompt->key = key;
    bool ready = wait_quietly(L, &key->wait, &prompt->interrupt);
    prompt->key = NULL;
    key_cancel(&key->wait);
    lua_pop(L, 1);
    return ready;
}

static int get_key(EditLine *edit, wchar_t *out)
{
    struct prompt *prompt;
    mbstate_t state = {0};
    el_get(edit, EL_CLIENTDATA, &prompt);
    for (;;) {
        char byte;
        prompt->interrupted = !wait_for_key(prompt);
        bool aside = prompt->aside;
        if (aside)
            come_back(prompt);
        if (prompt->interrupted)
            return -1;
        if (aside)
            continue;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1) {
            memset(&state, 0, sizeof state);
            continue;
        }
        return 1;
    }
}

static char *prompt_text(EditLine *edit)
{
    struct prompt *prompt;
    el_get(edit, EL_CLIENTDATA, &prompt);
    return prompt->text;
}

/* ---- the module ---- */

static int prompt_close(lua_State *L)
{
    struct prompt *prompt = luaL_checkudata(L, 1, PROMPT_TYPE);
    HistEvent event;
    log_before(NULL, NULL);
    if (prompt->edit)
        el_end(prompt->edit);
    if (prompt->history)
        history_end(prompt->history);
    (void)event;
    free(prompt->history_file);
    memset(prompt, 0, sizeof *prompt);
    return 0;
}

/* open(history_file or nil) → prompt */
static int native_prompt(lua_State *L)
{
    const char *file = luaL_optstring(L, 1, NULL);
    HistEvent event;
    struct prompt *prompt = lua_newuserdatauv(L, sizeof *prompt, 0);
    memset(prompt, 0, sizeof *prompt);
    luaL_setmetatable(L, PROMPT_TYPE);
    prompt->edit = el_init("upjob", stdin, stdout, stderr);
    prompt->history = history_init();
    if (!prompt->edit || !prompt->history)
        return luaL_error(L, "the prompt cannot be set up");
    el_set(prompt->edit, EL_CLIENTDATA, prompt);
    el_set(prompt->edit, EL_PROMPT, prompt_text);
    el_set(prompt->edit, EL_EDITOR, "emacs");
    el_set(prompt->edit, EL_SIGNAL, 0);
    el_set(prompt->edit, EL_GETCFN, get_key);
    el_set(prompt->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history(prompt->history, &event, H_SETSIZE, 1000);
    history(prompt->history, &event, H_SETUNIQUE, 1);
    el_set(prompt->edit, EL_HIST, history, prompt->history);
    prompt->thread = pthread_self();
    log_before(before_log, prompt);
    if (file) {
        prompt->history_file = strdup(file);
        history(prompt->history, &event, H_LOAD, file);
    }
    return 1;
}

/* read(prompt, text) → line without its end | nil at the end of input | false after Ctrl-C; raises when asked to end */
static int prompt_read(lua_State *L)
{
    struct prompt *prompt = luaL_checkudata(L, 1, PROMPT_TYPE);
    int count = 0;
    snprintf(prompt->text, sizeof prompt->text, "%s", luaL_checkstring(L, 2));
    prompt->L = L;
    prompt->interrupted = false;
    const char *line = el_gets(prompt->edit, &count);
    prompt->L = NULL;
    if (prompt->interrupted) {
        el_reset(prompt->edit);
        if (prompt->interrupt.status != 128 + SIGINT)
            return raise_err(L, &prompt->interrupt); /* only Ctrl-C is for the line */
        lua_pushboolean(L, 0);
        return 1;
    }
    if (!line || count <= 0)
        return 0;
    if (line[count - 1] == '\n')
        count--;
    lua_pushlstring(L, line, (size_t)count);
    return 1;
}

/* step_aside(prompt, ends_line): for output that a task writes at once; ends_line when its last character is a line end */
static int prompt_step_aside(lua_State *L)
{
    step_aside(luaL_checkudata(L, 1, PROMPT_TYPE), lua_toboolean(L, 2));
    return 0;
}

/* leave(prompt): the program ends, perhaps while a line is being typed: the terminal becomes what it was */
static int prompt_leave(lua_State *L)
{
    struct prompt *prompt = luaL_checkudata(L, 1, PROMPT_TYPE);
    if (prompt->edit)
        el_set(prompt->edit, EL_PREP_TERM, 0);
    return 0;
}

/* remember(prompt, text): into the history, and its file, mode 0600 */
static int prompt_remember(lua_State *L)
{
    struct prompt *prompt = luaL_checkudata(L, 1, PROMPT_TYPE);
    HistEvent event;
    history(prompt->history, &event, H_ENTER, luaL_checkstring(L, 2));
    if (prompt->history_file) {
        mode_t mask = umask(077);
        history(prompt->history, &event, H_SAVE, prompt->history_file);
        umask(mask);
    }
    return 0;
}

int open_native_prompt(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", native_prompt}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"read", prompt_read}, {"remember", prompt_remember}, {"close", prompt_close},
                                       {"step_aside", prompt_step_aside}, {"leave", prompt_leave}, {NULL, NULL}};
    luaL_newmetatable(L, PROMPT_TYPE);
    lua_pushcfunction(L, prompt_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
