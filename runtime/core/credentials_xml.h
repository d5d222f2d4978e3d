/* credentials_xml: the texts in an XML answer of STS, and no more of XML than it uses: elements, attributes
 * that are passed over, the five named entities and ASCII by number. A document type, CDATA and comments are
 * refused, as is what is not well formed. Private to credentials*.c. */
#ifndef UPJOB_CORE_CREDENTIALS_XML_H
#define UPJOB_CORE_CREDENTIALS_XML_H

#include <stdbool.h>
#include <stddef.h>

/* Called for each element that holds no other, with its path from the root ("ErrorResponse/Error/Code") and
 * its text, which are valid during the call. */
typedef void (*credentials_xml_text)(void *arg, const char *path, const char *text);

/* False when it is not such a document; what was called for before that is to be discarded. */
bool credentials_xml(const char *document, size_t len, credentials_xml_text text, void *arg)
    __attribute__((warn_unused_result));

#endif
