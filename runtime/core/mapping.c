#include "core/mapping_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/characters.h"
#include "core/operations.h"
#include "core/utf8.h"

const char *mapping_fault_class_name(enum mapping_fault_class class)
{
    static const char *const names[MAPPING_FAULT_CLASSES] = {
        [MAPPING_REQUIRED_EMPTY] = "required and empty",
        [MAPPING_KEY_EMPTY] = "unique key is empty",
        [MAPPING_TOO_LONG] = "too long",
        [MAPPING_NOT_A_NUMBER] = "not a number",
        [MAPPING_NOT_AN_EMAIL] = "not an e-mail address",
        [MAPPING_NOT_A_PHONE] = "not a phone number",
        [MAPPING_NOT_A_DATE] = "not a date",
        [MAPPING_NOT_IN_LOOKUP] = "not in the lookup",
        [MAPPING_CALL_INVALID] = "refused by a function",
        [MAPPING_SPREADSHEET_DAMAGE] = "damaged by a spreadsheet",
    };
    return class < MAPPING_FAULT_CLASSES ? names[class] : "";
}

/* What was shortened may end within a character. */
static void drop_cut_character(char *text)
{
    size_t len = strlen(text), from = len;
    uint32_t c;
    while (from > 0 && len - from < 4 && ((unsigned char)text[--from] & 0xC0) == 0x80)
        ;
    if (utf8_decode(text + from, len - from, &c) != len - from || c == UTF8_NONE)
        text[from] = '\0';
}

enum outcome mapping_invalid(struct work *work, enum mapping_fault_class class, const char *hint, const char *format, ...)
{
    const struct field *field = work->field;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(work->fault->reason, sizeof work->fault->reason, format, args);
    va_end(args);
    if (length >= (int)sizeof work->fault->reason)
        drop_cut_character(work->fault->reason);
    work->fault->class = class;
    work->fault->hint = hint;
    work->fault->column = field->column_count > 0 ? (long)field->columns[0] + 1 : 0;
    return OUTCOME_INVALID;
}

enum outcome mapping_no_memory(struct work *work)
{
    err_set(work->err, ERR_MEMORY, "no memory for the value of the field \"%s\"", work->field->given.key);
    return OUTCOME_FAILED;
}

/* ---- making ---- */

char *mapping_copy_text(struct mapping_arena *memory, const char *text, struct err *err)
{
    char *copy = mapping_arena_keep(memory, text ? text : "", text ? strlen(text) : 0);
    if (!copy)
        err_set(err, ERR_MEMORY, "no memory for a mapping");
    return copy;
}

static bool copy_columns(struct mapping *mapping, struct field *field, const char *const *columns, struct err *err)
{
    size_t count = 0;
    while (columns && columns[count])
        count++;
    const char **names = mapping_arena_room(&mapping->memory, (count + 1) * sizeof *names);
    field->columns = mapping_arena_room(&mapping->memory, (count + 1) * sizeof *field->columns);
    if (!names || !field->columns)
        return err_set(err, ERR_MEMORY, "no memory for a mapping");
    for (size_t i = 0; i < count; i++) {
        names[i] = mapping_copy_text(&mapping->memory, columns[i], err);
        if (!names[i])
            return false;
        field->columns[i] = 0;
    }
    names[count] = NULL;
    field->column_count = count;
    field->given.columns = names;
    return true;
}

static bool copy_field(struct mapping *mapping, struct field *field, const struct mapping_field *given, struct err *err)
{
    struct mapping_arena *memory = &mapping->memory;
    bool has_columns = given->columns && given->columns[0];
    if (has_columns == (given->constant != NULL))
        return err_set(err, ERR_USAGE, "the field \"%s\" has %s", given->key ? given->key : "",
                       has_columns ? "both columns and a constant: which is it?" : "neither a column nor a constant");
    field->given = *given;
    if (!copy_columns(mapping, field, given->columns, err))
        return false;
    field->given.key = mapping_copy_text(memory, given->key, err);
    field->given.target = mapping_copy_text(memory, given->target, err);
    field->given.separator = mapping_copy_text(memory, given->separator, err);
    field->given.constant = mapping_copy_text(memory, given->constant, err);
    if (!field->given.key || !field->given.target || !field->given.separator || !field->given.constant)
        return false;
    field->separator = slice_of(field->given.separator);
    field->constant = slice_of(field->given.constant);
    if (given->max_length == 0)
        field->given.max_length = MAPPING_MAX_LENGTH_DEFAULT;
    bool made = mapping_steps_make(mapping, field, err);
    field->given.steps = NULL;
    return made;
}

static bool copy_fields(struct mapping *mapping, const struct mapping_field *fields, size_t count, struct err *err)
{
    mapping->fields = mapping_arena_room(&mapping->memory, (count + 1) * sizeof *mapping->fields);
    if (!mapping->fields)
        return err_set(err, ERR_MEMORY, "no memory for a mapping");
    memset(mapping->fields, 0, (count + 1) * sizeof *mapping->fields);
    for (; mapping->count < count; mapping->count++)
        if (!copy_field(mapping, &mapping->fields[mapping->count], &fields[mapping->count], err))
            return false;
    return !mapping->calls || mapping->call || err_set(err, ERR_USAGE, "a step is a function, and there is none to be called");
}

struct mapping *mapping_new(const struct mapping_field *fields, size_t count, mapping_call call, void *arg, struct err *err)
{
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping) {
        err_set(err, ERR_MEMORY, "no memory for a mapping");
        return NULL;
    }
    mapping->call = call;
    mapping->arg = arg;
    if (copy_fields(mapping, fields, count, err))
        return mapping;
    mapping_free(mapping);
    return NULL;
}

void mapping_free(struct mapping *mapping)
{
    if (!mapping)
        return;
    mapping_phones_free(mapping);
    mapping_arena_free(&mapping->memory);
    free(mapping);
}

/* ---- what it is made of ---- */

size_t mapping_count(const struct mapping *mapping)
{
    return mapping->count;
}

const struct mapping_field *mapping_field_at(const struct mapping *mapping, size_t field)
{
    return &mapping->fields[field].given;
}

const size_t *mapping_columns(const struct mapping *mapping, size_t field, size_t *count)
{
    *count = mapping->fields[field].column_count;
    return mapping->fields[field].columns;
}

bool mapping_changes(const struct mapping *mapping, size_t field)
{
    return mapping->fields[field].column_count != 1 || mapping->fields[field].step_count > 0;
}

bool mapping_calls(const struct mapping *mapping)
{
    return mapping->calls;
}

/* ---- binding ---- */

static bool refuse_column(const char *column, const struct csv_row *header, struct err *err)
{
    struct mapping_arena names_memory = {0};
    const char **names = mapping_arena_room(&names_memory, (header->count + 1) * sizeof *names);
    const char *nearest = NULL;
    if (names) {
        size_t count = 0;
        for (size_t i = 0; i < header->count; i++) {
            struct csv_slice cell = csv_cell(header, i);
            names[count] = mapping_arena_keep(&names_memory, cell.data, cell.len);
            count += names[count] != NULL;
        }
        names[count] = NULL;
        nearest = nearest_name(column, names);
    }
    if (nearest)
        err_set(err, ERR_INVALID_FILE, "the column \"%s\" is not in the header (did you mean \"%s\"?)", column, nearest);
    else
        err_set(err, ERR_INVALID_FILE, "the column \"%s\" is not in the header", column);
    mapping_arena_free(&names_memory);
    return false;
}

static bool find_column(const char *column, const struct csv_row *header, size_t *found, struct err *err)
{
    struct csv_slice name = slice_of(column);
    size_t times = 0;
    for (size_t i = 0; i < header->count; i++) {
        if (!slices_equal(csv_cell(header, i), name))
            continue;
        if (++times > 1)
            return err_set(err, ERR_INVALID_FILE,
                           "the column \"%s\" occurs twice in the header (cells %zu and %zu): rename or remove one", column,
                           *found + 1, i + 1);
        *found = i;
    }
    return times == 1 || refuse_column(column, header, err);
}

bool mapping_bind(struct mapping *mapping, const struct csv_row *header, struct err *err)
{
    for (size_t i = 0; i < mapping->count; i++) {
        struct field *field = &mapping->fields[i];
        for (size_t j = 0; j < field->column_count; j++)
            if (!find_column(field->given.columns[j], header, &field->columns[j], err)) {
                err->line = header->line;
                return false;
            }
    }
    return true;
}

/* ---- the value of a field ---- */

static inline struct csv_slice cell_of(const struct csv_row *row, size_t column)
{
    return column < row->count ? csv_cell(row, column) : (struct csv_slice){"", 0};
}

static inline bool is_blank(struct csv_slice value)
{
    if (value.len == 0)
        return true;
    unsigned char first = (unsigned char)value.data[0];
    return (first <= ' ' || first >= 0x80) && characters_blank_start(value.data, value.len) == value.len;
}

/* The cells that are not blank, with separators between them; csv_cell may copy what it gives, so each is asked for once. */
static enum outcome join_cells(struct work *work)
{
    const struct field *field = work->field;
    struct csv_slice *cells = mapping_arena_room(work->arena, field->column_count * sizeof *cells);
    size_t count = 0, total = 0;
    for (size_t i = 0; cells && i < field->column_count; i++) {
        struct csv_slice cell = cell_of(work->row, field->columns[i]);
        if (is_blank(cell)) {
            if (!field->given.is_key)
                continue;
            mapping_invalid(work, MAPPING_KEY_EMPTY, "", "is empty, and it is part of the unique key");
            work->fault->column = (long)field->columns[i] + 1;
            return OUTCOME_INVALID;
        }
        total += cell.len + field->separator.len;
        cells[count++] = cell;
    }
    char *joined = cells ? mapping_arena_room(work->arena, total + 1) : NULL;
    if (!joined)
        return mapping_no_memory(work);
    work->value = (struct csv_slice){joined, 0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            memcpy(joined + work->value.len, field->separator.data, field->separator.len);
            work->value.len += field->separator.len;
        }
        memcpy(joined + work->value.len, cells[i].data, cells[i].len);
        work->value.len += cells[i].len;
    }
    return OUTCOME_GOOD;
}

static enum outcome look_at_empty(struct work *work, bool asks)
{
    const struct mapping_field *given = &work->field->given;
    const char *what = work->value.len > 0 ? "blank" : "empty";
    if (given->is_key)
        return mapping_invalid(work, MAPPING_KEY_EMPTY, "", "is %s, and it is the unique key", what);
    if (given->required && asks)
        return mapping_invalid(work, MAPPING_REQUIRED_EMPTY, "", "is %s, and the mapping requires it", what);
    return OUTCOME_GOOD;
}

static enum outcome look(struct work *work, bool asks)
{
    const struct mapping_field *given = &work->field->given;
    struct csv_slice value = work->value;
    if (value.len == 0 || ((given->is_key || given->required) && is_blank(value)))
        return look_at_empty(work, asks);
    if (value.len > given->max_length) {
        size_t length = utf8_length(value.data, value.len);
        if (length > given->max_length)
            return mapping_invalid(work, MAPPING_TOO_LONG, "", "has %zu characters, the service takes %zu", length,
                                   given->max_length);
    }
    return mapping_type_look(work);
}

static enum outcome take_steps(struct work *work)
{
    const struct field *field = work->field;
    enum outcome outcome = OUTCOME_GOOD;
    for (size_t i = 0; i < field->step_count && outcome == OUTCOME_GOOD; i++)
        outcome = mapping_step_do(work, &field->steps[i]);
    return outcome;
}

/* True for most good cells of a field without steps: what most cells are is told in few looks. False says nothing. */
static inline bool stands_as_it_is(const struct mapping_field *given, struct csv_slice cell)
{
    bool may_be_blank = !given->is_key && !given->required;
    if (cell.len == 0)
        return may_be_blank;
    unsigned char first = (unsigned char)cell.data[0];
    return cell.len <= given->max_length && (may_be_blank || (first > ' ' && first < 0x80)) &&
           mapping_type_is_plain(given, cell);
}

static __attribute__((noinline)) enum mapping_value_kind
make_value(const struct mapping *mapping, struct mapping_arena *arena, const struct field *wanted, const struct csv_row *row,
           struct csv_slice *value, struct mapping_fault *fault, struct err *err)
{
    struct work work = {mapping, wanted, arena, row, wanted->constant, fault, err};
    struct csv_slice cell = {"", 0};
    enum outcome outcome = OUTCOME_GOOD;
    if (wanted->column_count == 1)
        work.value = cell = cell_of(row, wanted->columns[0]);
    else if (wanted->column_count > 1)
        outcome = join_cells(&work);
    if (outcome == OUTCOME_GOOD && wanted->step_count > 0)
        outcome = take_steps(&work);
    if (outcome == OUTCOME_GOOD || outcome == OUTCOME_SKIPPED)
        outcome = look(&work, outcome == OUTCOME_GOOD);
    *value = work.value;
    if (outcome != OUTCOME_GOOD)
        return outcome == OUTCOME_FAILED ? MAPPING_FAILED : MAPPING_INVALID;
    if (wanted->column_count != 1)
        return MAPPING_CHANGED;
    return (value->data == cell.data && value->len == cell.len) || slices_equal(*value, cell) ? MAPPING_SAME : MAPPING_CHANGED;
}

enum mapping_value_kind mapping_value(const struct mapping *mapping, struct mapping_arena *arena, size_t field,
                                      const struct csv_row *row, struct csv_slice *value, struct mapping_fault *fault,
                                      struct err *err)
{
    const struct field *wanted = &mapping->fields[field];
    if (wanted->column_count == 1 && wanted->step_count == 0) {
        *value = cell_of(row, wanted->columns[0]);
        if (stands_as_it_is(&wanted->given, *value))
            return MAPPING_SAME;
    }
    return make_value(mapping, arena, wanted, row, value, fault, err);
}
