// Debian builds libxml2 with ICU, whose headers clash with the ICU inside Foundation. Without the macro the two can be
// imported side by side; only the layout of xmlCharEncodingHandler differs then, and Varve never touches that struct.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/SAX2.h>
#include <libxml/xmlerror.h>
#include <libxml/dict.h>
