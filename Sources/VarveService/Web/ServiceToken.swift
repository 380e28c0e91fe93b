internal import Glibc
internal import VarveLake
internal import VarveTables

/// The bearer token: 256 bits in hexadecimal, in a file for the owner only.
enum ServiceToken {
  /// Made at the first start.
  static func read(_ storage: Storage) throws -> String {
    if let bytes = try storage.read(Layout.serviceToken) {
      let text = String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self)
      guard text.utf8.count >= 32 else {
        throw Problem(
          .failed, at: [Layout.join(storage.path, Layout.serviceToken)], "holds no token",
          advice: "remove it; the next start makes a new one")
      }
      return text
    }
    // Never from a rehearsal's seed: it would be a token that anybody can compute.
    let token = hexadecimal(RandomSource.system.bytes(32))
    try storage.replace(
      Layout.serviceToken, Array((token + "\n").utf8), draft: Layout.serviceToken + ".draft")
    return token
  }

  /// Takes the same time wherever they differ.
  static func isEqual(_ one: String, _ other: String) -> Bool {
    let one = Array(one.utf8)
    let other = Array(other.utf8)
    var difference = UInt8(one.count == other.count ? 0 : 1)
    for index in one.indices { difference |= one[index] ^ (index < other.count ? other[index] : 0) }
    return difference == 0
  }
}
