#include "store/sqlite_error.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/strings.h"

namespace planetbox {

namespace {

bool is_full(int err) { return err == ENOSPC || err == EDQUOT || err == EFBIG; }

Error disk_full(std::string_view path, int err) {
    std::string_view why = err == EDQUOT  ? "the disk quota is used up"
                           : err == EFBIG ? "the file size limit is reached"
                                          : "disk full";
    return Error(Code::kIo,
                 str_cat(path, ": ", why,
                         ": nothing was written; free space on the file system that holds it"))
        .with_errno(err);
}

Error constraint(sqlite3* db, int code, std::string_view path) {
    bool taken = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
                 code == SQLITE_CONSTRAINT_ROWID;
    return Error(taken ? Code::kExists : Code::kInvalid, str_cat(path, ": ", sqlite3_errmsg(db)));
}

Error read_only(int code, std::string_view path) {
    if (code == SQLITE_READONLY_DBMOVED)
        return Error(Code::kIo,
                     str_cat(path, ": was moved or deleted while open; restart the service"));
    return Error(Code::kDenied,
                 str_cat(path,
                         ": is read-only: check its owner and mode, those of its directory, and "
                         "whether the file system is mounted read-only"))
        .with_errno(EROFS);
}

int last_errno(sqlite3_file* file) {
    int err = 0;
    if (file && file->pMethods) file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &err);
    return err;
}

// sqlite3_system_errno() knows nothing of what failed inside a COMMIT; the files themselves do.
int find_errno(sqlite3* db) {
    int err = sqlite3_system_errno(db);
    for (int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
        sqlite3_file* file = nullptr;
        if (!err && sqlite3_file_control(db, "main", which, &file) == SQLITE_OK)
            err = last_errno(file);
    }
    return err;
}

Error system_error(sqlite3* db, int code, std::string_view path) {
    int err = db ? find_errno(db) : 0;
    if (is_full(err)) return disk_full(path, err);
    if (err) return sys_error(path, err).context(sqlite3_errstr(code & 0xff));
    return Error(Code::kIo, str_cat(path, ": ", sqlite3_errstr(code)));
}

}  // namespace

Error sqlite_error(sqlite3* db, int code, std::string_view path) {
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return Error(
                Code::kUnavailable,
                str_cat(path, ": another process has been writing for more than 5 s; try again"));
        case SQLITE_FULL:
            return disk_full(path, ENOSPC);
        case SQLITE_READONLY:
            return read_only(code, path);
        case SQLITE_CORRUPT:
            return Error(Code::kInvalid, str_cat(path, ": is damaged: ", kDamagedRemedy));
        case SQLITE_NOTADB:
            return Error(
                Code::kInvalid,
                str_cat(path, ": is not a planetbox state file, or is damaged: ", kDamagedRemedy));
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
            return system_error(db, code, path);
        case SQLITE_CONSTRAINT:
            return constraint(db, code, path);
        case SQLITE_TOOBIG:
            return Error(Code::kTooLarge, str_cat(path, ": value too large"));
        case SQLITE_NOMEM:
            return Error(Code::kIo, str_cat(path, ": out of memory")).with_errno(ENOMEM);
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return Error(Code::kDenied, str_cat(path, ": ", sqlite3_errstr(code)));
        default:
            return Error(Code::kInvalid, str_cat(path, ": SQL: ", db ? sqlite3_errmsg(db) : "?"));
    }
}

}  // namespace planetbox
