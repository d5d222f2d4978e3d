/* The XML of STS: its texts, and that nothing else of XML is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/credentials_xml.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void take(void *arg, const char *path, const char *text)
{
    char *found = arg;
    size_t used = strlen(found);
    snprintf(found + used, 1000 - used, "%s=%s;", path, text);
}

/* In memory of its exact size, so that a sanitizer sees a read beyond it. */
static bool read_xml(const char *document, size_t len, char found[1000])
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, document, len);
    found[0] = '\0';
    bool ok = credentials_xml(copy, len, take, found);
    free(copy);
    return ok;
}

static void the_texts_of_a_document_are_told_with_their_paths(void **state)
{
    static const struct {
        const char *document, *found;
    } documents[] = {
        {"<a>b</a>", "a=b;"},
        {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a x=\"1\" y='>'>\n <b>1</b>\n <c/><d />\n</a>\n",
         "a/b=1;a/c=;a/d=;"},
        {"<a><b><c>1</c></b><b>2</b></a>", "a/b/c=1;a/b=2;"},
        {"<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#x7e;</a>", "a=<&>\"'AB~;"},
        {"<n:a xmlns:n=\"u\">x y\n z</n:a >", "n:a=x y\n z;"},
        {"<a>mixed<b>1</b>text</a>", "a/b=1;"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(documents); i++) {
        char found[1000];
        if (!read_xml(documents[i].document, strlen(documents[i].document), found))
            fail_msg("refused: %s", documents[i].document);
        assert_string_equal(found, documents[i].found);
    }
}

static void what_is_broken_or_hostile_is_refused(void **state)
{
    static const char *const documents[] = {
        "",
        " ",
        "text",
        "<",
        "<a",
        "<a>",
        "<a></b>",
        "<a></a",
        "</a>",
        "<a></a></a>",
        "<a/><b/>",
        "<a>&</a>",
        "<a>&nbsp;</a>",
        "<a>&#0;</a>",
        "<a>&#128;</a>",
        "<a>&#99999999999999999999;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#65</a>",
        "<a>&#A;</a>",
        "<a>&amp</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<a><![CDATA[b]]></a>",
        "<a><!-- b --></a>",
        "<a><?b c?></a>",
        "<a b></a>",
        "<a b=c></a>",
        "<a b=\"c></a>",
        "<a b=\"<\"/>",
        "<a b=\"c\"d=\"e\"/>",
        "<a/ >",
        "< a/>",
        "<a></ a>",
        "x<a/>",
        "<a/>x",
        "<a/>&amp;",
        "<?xml <a/>",
        "<a><b></a></b>",
        "<a a=",
    };
    char found[1000], deep[2001], nul[] = "<a>b\0c</a>";
    (void)state;
    for (size_t i = 0; i < COUNT(documents); i++)
        if (read_xml(documents[i], strlen(documents[i]), found))
            fail_msg("taken: %s as %s", documents[i], found);
    assert_false(read_xml(nul, sizeof nul - 1, found));
    for (size_t i = 0; i + 3 <= 2000; i += 3)
        memcpy(deep + i, "<a>", 4);
    assert_false(read_xml(deep, strlen(deep), found));
}

/* Cut at every byte, and with every byte changed: nothing is read beyond its end. */
static void no_damage_leads_beyond_the_document(void **state)
{
    static const char document[] =
        "<?xml version=\"1.0\"?><a b=\"c\"><d>&lt;&#65;&#x42;</d><e/><f g='h'>i</f></a>";
    static const char bytes[] = "<>/&;\"'= a#x\0?!";
    char changed[sizeof document], found[1000];
    (void)state;
    for (size_t len = 0; len < sizeof document - 1; len++)
        assert_false(read_xml(document, len, found));
    for (size_t at = 0; at < sizeof document - 1; at++)
        for (size_t i = 0; i < sizeof bytes - 1; i++) {
            memcpy(changed, document, sizeof document);
            changed[at] = bytes[i];
            (void)read_xml(changed, sizeof document - 1, found);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_texts_of_a_document_are_told_with_their_paths),
        cmocka_unit_test(what_is_broken_or_hostile_is_refused),
        cmocka_unit_test(no_damage_leads_beyond_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
