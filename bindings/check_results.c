#include "bindings/check.h"

#include <inttypes.h>
#include <stdio.h>

#include "bindings/changes.h"

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* ---- what the file is ---- */

static void set_line_ends(lua_State *L, const struct text_count *text)
{
    lua_createtable(L, 0, 3);
    set_integer(L, "crlf", text->crlf);
    set_integer(L, "lf", text->lf - text->crlf);
    set_integer(L, "cr", text->cr - text->crlf);
    lua_setfield(L, -2, "line_ends");
}

static void set_samples(lua_State *L, const struct input_facts *facts)
{
    lua_createtable(L, (int)facts->sample_count, 0);
    for (size_t i = 0; i < facts->sample_count; i++) {
        const struct input_sample *sample = &facts->samples[i];
        lua_createtable(L, 0, 3);
        set_integer(L, "line", (uint64_t)sample->line);
        lua_pushlstring(L, sample->before, sample->before_len);
        lua_setfield(L, -2, "before");
        lua_pushlstring(L, sample->after, sample->after_len);
        lua_setfield(L, -2, "after");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "samples");
}

void push_check_facts(lua_State *L, const struct input_facts *facts)
{
    static const char *const compressions[] = {
        [INPUT_PLAIN] = "none", [INPUT_GZIP] = "gzip", [INPUT_ZSTD] = "zstd"};
    const char delimiter[] = {(char)facts->shape.delimiter, '\0'};
    lua_createtable(L, 0, 24);
    set_text(L, "compression", compressions[facts->compression]);
    set_text(L, "encoding", facts->encoding);
    set_integer(L, "confidence", (uint64_t)facts->confidence);
    set_flag(L, "had_mark", facts->had_mark);
    set_flag(L, "converted", facts->converted);
    set_flag(L, "guessed", facts->guessed);
    set_flag(L, "mixed", facts->mixed);
    if (facts->alternative[0])
        set_text(L, "alternative", facts->alternative);
    set_integer(L, "invalid", facts->invalid);
    set_integer(L, "nuls", facts->text.nuls);
    set_integer(L, "lines", (uint64_t)facts->lines);
    set_integer(L, "bytes", facts->bytes);
    set_integer(L, "file_bytes", facts->file_bytes);
    set_text(L, "delimiter", delimiter);
    set_flag(L, "delimiter_known", facts->shape.known);
    set_flag(L, "sep_line", facts->shape.sep_line > 0);
    set_integer(L, "columns", facts->shape.columns);
    set_line_ends(L, &facts->text);
    set_samples(L, facts);
}

/* ---- what was found ---- */

static const char *severity(enum check_class class)
{
    return check_is_error(class) ? "error" : "warning";
}

static void push_problem(lua_State *L, const struct check_problem *problem, const char *file)
{
    char text[1024];
    lua_createtable(L, 0, 10);
    set_text(L, "class", check_class_name(problem->class));
    set_text(L, "severity", severity(problem->class));
    set_text(L, "reason", problem->reason);
    set_text(L, "hint", problem->hint);
    set_text(L, "column_name", problem->name);
    set_text(L, "value", problem->value);
    set_integer(L, "line", (uint64_t)problem->line);
    set_integer(L, "column", (uint64_t)problem->column);
    set_text(L, "text", check_problem_text(problem, file, true, text, sizeof text));
    set_text(L, "masked", check_problem_text(problem, file, false, text, sizeof text));
}

static void push_problems(lua_State *L, const struct check_result *result, const char *file)
{
    lua_createtable(L, (int)result->problem_count, 0);
    for (size_t i = 0; i < result->problem_count; i++) {
        push_problem(L, &result->problems[i], file);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* By class: how many; and a list of the classes with their severity, errors first. */
static void set_counts(lua_State *L, const struct check_result *result)
{
    lua_newtable(L);
    lua_newtable(L);
    for (int i = 0, n = 0; i < CHECK_CLASSES; i++) {
        enum check_class class = (enum check_class)i;
        if (!result->counts[i])
            continue;
        lua_pushinteger(L, (lua_Integer)result->counts[i]);
        lua_setfield(L, -3, check_class_name(class));
        lua_createtable(L, 0, 3);
        set_text(L, "class", check_class_name(class));
        set_text(L, "severity", severity(class));
        set_integer(L, "count", result->counts[i]);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -3, "classes");
    lua_setfield(L, -2, "counts");
}

/* ---- rows that are shown ---- */

static void push_shown_value(lua_State *L, const struct check_shown_value *value)
{
    static const char *const kinds[] = {
        [MAPPING_SAME] = "same", [MAPPING_CHANGED] = "changed", [MAPPING_INVALID] = "invalid", [MAPPING_FAILED] = "failed"};
    lua_createtable(L, 0, 5);
    lua_createtable(L, (int)value->cell_count, 0);
    for (size_t i = 0; i < value->cell_count; i++) {
        lua_pushstring(L, value->cells[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "cells");
    set_text(L, "kind", kinds[value->kind]);
    set_text(L, "value", value->value);
    set_flag(L, "blanked", value->blanked);
    set_text(L, "reason", value->reason);
}

static void push_shown_row(lua_State *L, const struct check_shown_row *row)
{
    lua_createtable(L, 0, 3);
    set_integer(L, "line", (uint64_t)row->line);
    set_text(L, "reasons", row->reasons);
    lua_createtable(L, (int)row->value_count, 0);
    for (size_t i = 0; i < row->value_count; i++) {
        push_shown_value(L, &row->values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "values");
}

/* By fate, lists of rows: each with its line, all that is wrong with it, and its values by field. */
static void set_shown(lua_State *L, const struct check *check)
{
    static const char *const fates[CHECK_FATES] = {
        [CHECK_REJECTED] = "rejected", [CHECK_CHANGED] = "changed", [CHECK_SENT] = "sent"};
    lua_createtable(L, 0, CHECK_FATES);
    for (int fate = 0; fate < CHECK_FATES; fate++) {
        const struct check_shown_row *rows;
        size_t count = check_shown_rows(check, (enum check_fate)fate, &rows);
        lua_createtable(L, (int)count, 0);
        for (size_t i = 0; i < count; i++) {
            push_shown_row(L, &rows[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_setfield(L, -2, fates[fate]);
    }
    lua_setfield(L, -2, "shown");
}

/* The column of what is sent, by the field's key. */
static void set_sources(lua_State *L, const struct check_result *result, const struct mapping *mapping)
{
    lua_newtable(L);
    for (size_t i = 0; mapping && result->sources && i < mapping_count(mapping); i++)
        set_text(L, mapping_field_at(mapping, i)->key, result->sources[i]);
    lua_setfield(L, -2, "sources");
}

static void set_lines(lua_State *L, struct changes *changes)
{
    size_t files = changes_files(changes);
    lua_createtable(L, (int)files, 0);
    for (size_t i = 0; i < files; i++) {
        struct rowset **rows = push_rows(L);
        *rows = changes_take_rows(changes, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "lines");
}

/* What has changed since the last import, and, by file, the lines of the rows that are to be sent. */
static void set_changes(lua_State *L, struct check *check)
{
    const struct changes_counts *counts = check_result(check)->changes;
    if (!counts)
        return;
    lua_createtable(L, 0, 9);
    set_integer(L, "new", counts->new);
    set_integer(L, "changed", counts->changed);
    set_integer(L, "due", counts->due);
    set_integer(L, "same", counts->same);
    set_integer(L, "held", counts->held);
    set_integer(L, "gone", counts->gone);
    set_integer(L, "keyless", counts->keyless);
    set_integer(L, "sent", counts->new + counts->changed + counts->due);
    set_integer(L, "rows", counts->rows);
    set_lines(L, check_changes(check));
    lua_setfield(L, -2, "changes");
}

/* What is to be sent: the file as it was, or a descriptor. */
static void set_outgoing(lua_State *L, struct check *check)
{
    const struct check_result *result = check_result(check);
    char identity[FILE_IDENTITY_TEXT];
    if (result->md5[0])
        set_text(L, "md5", result->md5);
    set_integer(L, "outgoing_bytes", result->outgoing_bytes);
    if (result->outgoing_fd >= 0) {
        set_integer(L, "outgoing_fd", (uint64_t)check_take_outgoing(check));
        return;
    }
    file_identity_text(&result->identity, identity);
    set_text(L, "identity", identity);
}

static const char *hash_text(uint64_t hash, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, hash);
    return out;
}

/* The parts, when it is split. */
static void set_parts(lua_State *L, struct check *check)
{
    const struct check_result *result = check_result(check);
    uint64_t bytes = 0;
    char hash[17];
    lua_createtable(L, 0, 2);
    lua_createtable(L, (int)result->part_count, 0);
    for (size_t i = 0; i < result->part_count; i++) {
        const struct check_part *part = &result->parts[i];
        bytes += part->plan.bytes;
        lua_createtable(L, 0, 6);
        set_text(L, "low", hash_text(part->plan.range.low, hash));
        set_text(L, "high", hash_text(part->plan.range.high, hash));
        set_integer(L, "bytes", part->plan.bytes);
        set_integer(L, "rows", part->plan.rows);
        if (part->fd >= 0) {
            set_text(L, "md5", part->md5);
            set_integer(L, "fd", (uint64_t)check_take_part(check, i));
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "parts");
    set_integer(L, "bytes", bytes);
    lua_setfield(L, -2, "split");
}

static int push_failure(lua_State *L, const struct check_result *result, const char *file)
{
    fail_with(L, &result->err);
    push_problems(L, result, file);
    lua_setfield(L, -2, "problems");
    set_counts(L, result);
    set_flag(L, "problems_written", result->problems_written);
    if (result->facts) {
        push_check_facts(L, result->facts);
        lua_setfield(L, -2, "facts");
    }
    return 2;
}

int push_check_result(lua_State *L, struct check *check, const struct mapping *mapping, const char *file)
{
    const struct check_result *result = check_result(check);
    if (result->fatal)
        return push_failure(L, result, file);
    lua_createtable(L, 0, 22);
    set_integer(L, "rows", result->rows);
    set_integer(L, "unwanted", result->unwanted);
    set_integer(L, "passed_over", result->passed_over);
    set_integer(L, "bad_rows", result->bad_rows);
    set_integer(L, "blanked", result->blanked);
    set_integer(L, "changed_rows", result->changed_rows);
    set_integer(L, "bytes", result->total);
    set_flag(L, "mended", result->mended);
    set_flag(L, "rejects_written", result->rejects_written);
    set_flag(L, "problems_written", result->problems_written);
    set_counts(L, result);
    set_sources(L, result, mapping);
    push_problems(L, result, file);
    lua_setfield(L, -2, "problems");
    push_check_facts(L, result->facts);
    lua_setfield(L, -2, "facts");
    set_shown(L, check);
    set_flag(L, "in_part", result->in_part);
    set_changes(L, check);
    if (result->parts)
        set_parts(L, check);
    else
        set_outgoing(L, check);
    return 1;
}
