// SQLite, and what Swift cannot see of it: variadic functions, each with one fixed shape.
#include <sqlite3.h>

/// sqlite3_db_config(3) for the options that take a switch.
static inline int varve_sqlite3_db_switch(sqlite3 *database, int option, int on) {
    return sqlite3_db_config(database, option, on, (int *)0);
}

/// sqlite3_vtab_config(3) for the options without an argument.
static inline int varve_sqlite3_vtab_config(sqlite3 *database, int option) {
    return sqlite3_vtab_config(database, option);
}

/// A copy of `text` that SQLite frees: what zErrMsg needs.
static inline char *varve_sqlite3_copy(const char *text) { return sqlite3_mprintf("%s", text); }
