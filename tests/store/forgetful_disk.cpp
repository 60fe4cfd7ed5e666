#include "tests/store/forgetful_disk.h"

#include <sqlite3.h>

#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "base/ensure.h"

namespace udon::test {

namespace {

constexpr size_t sector = 512;

struct Step {
  int64_t offset = 0;  // of a write; the size after a cut
  std::string bytes;
  bool is_cut = false;
};

struct File {
  std::string synced;
  std::vector<Step> pending;
};

void apply(std::string& content, const Step& step, size_t length) {
  const auto offset = static_cast<size_t>(step.offset);
  if (step.is_cut) {
    content.resize(std::min(content.size(), offset));
    return;
  }
  if (content.size() < offset + length) content.resize(offset + length, '\0');
  content.replace(offset, length, step.bytes, 0, length);
}

struct Disk {
  std::recursive_mutex mutex;
  std::map<std::string, File> files;  // by full path
  std::function<void()> observer;
  int64_t syncs = 0;
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs shim{};
};
Disk* disk = nullptr;  // SQLite's callbacks have no other way to it

struct ShimFile {
  sqlite3_file base;
  File* file;  // none: a temporary file, which nobody looks for after a crash
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
ShimFile* shim_of(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real_of(sqlite3_file* file) { return shim_of(file)->real(); }

void observed() {
  if (disk->observer) disk->observer();
}

int close_file(sqlite3_file* f) { return real_of(f)->pMethods->xClose(real_of(f)); }
int read_bytes(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  return real_of(f)->pMethods->xRead(real_of(f), to, n, at);
}
int write_bytes(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  const std::lock_guard lock(disk->mutex);
  const int code = real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
  if (code == SQLITE_OK && shim_of(f)->file != nullptr) {
    shim_of(f)->file->pending.push_back(
        {.offset = at, .bytes = std::string(static_cast<const char*>(from), static_cast<size_t>(n))});
    observed();
  }
  return code;
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  const std::lock_guard lock(disk->mutex);
  const int code = real_of(f)->pMethods->xTruncate(real_of(f), size);
  if (code == SQLITE_OK && shim_of(f)->file != nullptr) {
    shim_of(f)->file->pending.push_back({.offset = size, .bytes = {}, .is_cut = true});
    observed();
  }
  return code;
}
int sync_file(sqlite3_file* f, int flags) {
  const std::lock_guard lock(disk->mutex);
  const int code = real_of(f)->pMethods->xSync(real_of(f), flags);
  if (code == SQLITE_OK && shim_of(f)->file != nullptr) {
    File& file = *shim_of(f)->file;
    for (const Step& step : file.pending) apply(file.synced, step, step.bytes.size());
    file.pending.clear();
    ++disk->syncs;
    observed();
  }
  return code;
}
int file_size(sqlite3_file* f, sqlite3_int64* size) { return real_of(f)->pMethods->xFileSize(real_of(f), size); }
int lock_file(sqlite3_file* f, int level) { return real_of(f)->pMethods->xLock(real_of(f), level); }
int unlock_file(sqlite3_file* f, int level) { return real_of(f)->pMethods->xUnlock(real_of(f), level); }
int check_lock(sqlite3_file* f, int* held) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), held); }
int control(sqlite3_file* f, int op, void* argument) {
  return real_of(f)->pMethods->xFileControl(real_of(f), op, argument);
}
int sector_size(sqlite3_file* f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
// None: SQLite may then not count on whole sectors or on order, which is what this disk gives.
int characteristics(sqlite3_file*) { return 0; }
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** to) {
  return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, to);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
int shm_unmap(sqlite3_file* f, int remove) { return real_of(f)->pMethods->xShmUnmap(real_of(f), remove); }

const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_bytes,
    .xWrite = write_bytes,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open_shim(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  auto* shim = new (f) ShimFile{};
  const int code = disk->real->xOpen(disk->real, name, shim->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  shim->base.pMethods = &methods;
  const std::lock_guard lock(disk->mutex);
  if (name != nullptr) shim->file = &disk->files[name];
  return code;
}

int delete_shim(sqlite3_vfs*, const char* name, int sync) {
  const std::lock_guard lock(disk->mutex);
  const int code = disk->real->xDelete(disk->real, name, sync);
  // The entry stays, for handles that are still open; empty, it means "not there".
  if (code == SQLITE_OK) disk->files[name] = File{};
  return code;
}

}  // namespace

ForgetfulDisk::ForgetfulDisk() {
  ENSURE(disk == nullptr, "one forgetful disk at a time");
  disk = new Disk;
  disk->real = sqlite3_vfs_find(nullptr);
  disk->shim = *disk->real;
  disk->shim.zName = "forgetful";
  disk->shim.szOsFile = static_cast<int>(sizeof(ShimFile)) + disk->real->szOsFile;
  disk->shim.xOpen = open_shim;
  disk->shim.xDelete = delete_shim;
  sqlite3_vfs_register(&disk->shim, 1);
}

ForgetfulDisk::~ForgetfulDisk() {
  sqlite3_vfs_unregister(&disk->shim);
  sqlite3_vfs_register(disk->real, 1);
  delete disk;
  disk = nullptr;
}

void ForgetfulDisk::on_each_step(std::function<void()> observer) {
  const std::lock_guard lock(disk->mutex);
  disk->observer = std::move(observer);
}

int64_t ForgetfulDisk::syncs() const {
  const std::lock_guard lock(disk->mutex);
  return disk->syncs;
}

ForgetfulDisk::Image ForgetfulDisk::image(Unsynced unsynced, Random& random) const {
  const std::lock_guard lock(disk->mutex);
  Image image;
  for (const auto& [path, file] : disk->files) {
    std::string content = file.synced;
    for (const Step& step : file.pending) {
      if (unsynced == Unsynced::lost || random.one_in(2)) continue;
      size_t length = step.bytes.size();
      if (random.one_in(4)) length = std::min(length, random.below(length / sector + 1) * sector);
      apply(content, step, length);
    }
    if (!content.empty()) image[Path(path).filename().string()] = std::move(content);
  }
  return image;
}

void write_image(const ForgetfulDisk::Image& image, const Path& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& [name, content] : image) {
    ENSURE(write_file_atomically(folder / name, content, Durability::survives_kill), "an image cannot be written");
  }
}

}  // namespace udon::test
