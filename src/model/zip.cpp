// SPDX-License-Identifier: Apache-2.0
#include "model/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/byte_reader.h"
#include "base/phrase.h"

namespace shorthand {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralRecord = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr size_t kEndBytes = 22, kLocator64Bytes = 20, kMaxComment = 65535;
constexpr uint64_t kMaxMembers = 1 << 16;
constexpr uint32_t kElsewhere = 0xffffffff;  // in a field of 32 bits: the value is a zip64 one
constexpr uint16_t kElsewhere16 = 0xffff;

struct Directory {
  uint64_t begin = 0, bytes = 0, members = 0;
};

// A record of the central directory.
struct Record {
  uint16_t flags = 0, method = 0;
  uint64_t stored = 0, size = 0, local_header = 0;
  std::string_view name;
};

Error damaged(std::string_view file) {
  return bad_input(fmt::format("{}: its zip directory is damaged or cut off; download it again", file));
}

// Where the end record begins: the last place whose comment ends with the file.
std::optional<size_t> find_end(std::span<const std::byte> bytes) {
  if (bytes.size() < kEndBytes) return {};
  const size_t last = bytes.size() - kEndBytes;
  for (size_t at = last + 1; at-- > last - std::min(last, kMaxComment);) {
    ByteReader r(bytes.subspan(at));
    if (r.read<uint32_t>() != kEnd) continue;
    r.take(16);
    if (r.read<uint16_t>() == r.remaining()) return at;
  }
  return {};
}

Result<Directory> find_directory(std::span<const std::byte> bytes, std::string_view file) {
  const auto end = find_end(bytes);
  if (!end) return damaged(file);
  ByteReader r(bytes.subspan(*end + 4));
  const auto disk = r.read<uint16_t>(), directory_disk = r.read<uint16_t>(), here = r.read<uint16_t>(),
             all = r.read<uint16_t>();
  const auto size = r.read<uint32_t>(), begin = r.read<uint32_t>();
  Directory directory{begin, size, all};
  bool one_disk = disk == 0 && directory_disk == 0 && here == all;
  size_t limit = *end;
  if (all == kElsewhere16 || size == kElsewhere || begin == kElsewhere) {
    if (*end < kLocator64Bytes) return damaged(file);
    ByteReader locator(bytes.subspan(*end - kLocator64Bytes));
    const bool is_locator = locator.read<uint32_t>() == kLocator64;
    locator.take(4);
    const auto at = locator.read<uint64_t>();
    if (!is_locator || at > *end - kLocator64Bytes) return damaged(file);
    ByteReader r64(bytes.subspan(at));
    if (r64.read<uint32_t>() != kEnd64) return damaged(file);
    r64.take(8 + 2 + 2);
    one_disk = r64.read<uint32_t>() == 0 && r64.read<uint32_t>() == 0;
    const auto here64 = r64.read<uint64_t>();
    directory.members = r64.read<uint64_t>();
    directory.bytes = r64.read<uint64_t>();
    directory.begin = r64.read<uint64_t>();
    if (r64.failed()) return damaged(file);
    one_disk &= here64 == directory.members;
    limit = at;
  }
  if (!one_disk || directory.begin > limit || directory.bytes > limit - directory.begin) return damaged(file);
  if (directory.members > kMaxMembers)
    return unsupported(fmt::format("{}: a zip archive of {} members; a checkpoint has {} at the most", file,
                                   grouped(directory.members), grouped(kMaxMembers)));
  return directory;
}

// The zip64 values of the fields that say they are elsewhere, in the order of the format.
bool read_extra(std::span<const std::byte> extra, Record& record) {
  ByteReader fields(extra);
  while (fields.remaining() > 0) {
    const auto id = fields.read<uint16_t>(), size = fields.read<uint16_t>();
    ByteReader field(fields.take(size));
    if (fields.failed()) return false;
    if (id != 1) continue;
    for (uint64_t* value : {&record.size, &record.stored, &record.local_header}) {
      if (*value == kElsewhere) *value = field.read<uint64_t>();
    }
    return !field.failed();
  }
  return true;
}

std::optional<Record> read_record(ByteReader& r) {
  if (r.read<uint32_t>() != kCentralRecord) return {};
  Record record;
  r.take(2 + 2);
  record.flags = r.read<uint16_t>();
  record.method = r.read<uint16_t>();
  r.take(4 + 4);  // time, check sum
  record.stored = r.read<uint32_t>();
  record.size = r.read<uint32_t>();
  const auto name = r.read<uint16_t>(), extra = r.read<uint16_t>(), comment = r.read<uint16_t>();
  const auto disk = r.read<uint16_t>();
  r.take(2 + 4);
  record.local_header = r.read<uint32_t>();
  record.name = r.take_text(name);
  if (!read_extra(r.take(extra), record)) return {};
  r.take(comment);
  return r.failed() || disk != 0 ? std::nullopt : std::optional(record);
}

// The member whose bytes lie behind its local header, before `limit`.
Result<ZipMember> find_member(std::span<const std::byte> bytes, const Record& record, uint64_t limit,
                              std::string_view file) {
  constexpr uint16_t kEncrypted = 1;
  if (record.flags & kEncrypted)
    return unsupported(fmt::format("{}: '{}' in it is encrypted", file, printable(record.name)));
  if (record.method != 0) return ZipMember{record.name, {}, true};
  if (record.stored != record.size) return damaged(file);
  if (record.local_header > limit) return damaged(file);
  ByteReader r(bytes.subspan(record.local_header, limit - record.local_header));
  const bool is_header = r.read<uint32_t>() == kLocalHeader;
  r.take(2 + 2);
  const auto method = r.read<uint16_t>();
  r.take(4 + 4 + 4 + 4);  // time, check sum, sizes: the directory's count
  const auto name = r.read<uint16_t>(), extra = r.read<uint16_t>();
  const std::string_view its_name = r.take_text(name);
  r.take(extra);
  const auto data = r.take(record.size);
  if (r.failed() || !is_header || method != 0 || its_name != record.name) return damaged(file);
  return ZipMember{record.name, data, false};
}

Result<void> check_apart(std::vector<ZipMember> members, std::string_view file) {
  std::sort(members.begin(), members.end(),
            [](const ZipMember& a, const ZipMember& b) { return a.bytes.data() < b.bytes.data(); });
  for (size_t i = 1; i < members.size(); ++i) {
    const auto& before = members[i - 1].bytes;
    if (!before.empty() && before.data() + before.size() > members[i].bytes.data())
      return bad_input(fmt::format("{}: '{}' and '{}' in it overlap; the file is damaged", file,
                                   printable(members[i - 1].name), printable(members[i].name)));
  }
  std::set<std::string_view> names;
  for (const ZipMember& member : members) {
    if (!names.insert(member.name).second)
      return bad_input(fmt::format("{}: '{}' is in it twice", file, printable(member.name)));
  }
  return {};
}

}  // namespace

bool is_zip(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  return r.read<uint32_t>() == kLocalHeader;
}

Result<std::vector<ZipMember>> read_stored_zip(std::span<const std::byte> bytes, std::string_view file) {
  const Directory directory = SHORTHAND_TRY(find_directory(bytes, file));
  ByteReader r(bytes.subspan(directory.begin, directory.bytes));
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < directory.members; ++i) {
    const auto record = read_record(r);
    if (!record) return damaged(file);
    members.push_back(SHORTHAND_TRY(find_member(bytes, *record, directory.begin, file)));
  }
  if (r.remaining() > 0) return damaged(file);
  SHORTHAND_TRY(check_apart(members, file));
  return members;
}

}  // namespace shorthand
