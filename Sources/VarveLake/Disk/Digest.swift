internal import CCrypto

/// SHA-256 (FIPS 180-4), a piece at a time.
package struct Digest: ~Copyable {
  private let context: OpaquePointer

  package init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  package borrowing func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  package borrowing func update(_ bytes: UnsafeRawBufferPointer) {
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
      preconditionFailure("libcrypto's SHA-256 takes any bytes")
    }
  }

  /// 64 lower-case hexadecimal digits.
  package consuming func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 0
    guard EVP_DigestFinal_ex(context, &digest, &count) == 1, count == 32 else {
      preconditionFailure("a SHA-256 has 32 bytes")
    }
    return hexadecimal(digest)
  }

  /// Appends the first `digits` digits, and begins anew.
  package mutating func finish(digits: Int, to text: inout [UInt8]) {
    var digest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    var count: UInt32 = 0
    withUnsafeMutableBytes(of: &digest) { digest in
      guard EVP_DigestFinal_ex(context, digest.baseAddress, &count) == 1, count == 32,
        EVP_DigestInit_ex(context, nil, nil) == 1
      else { preconditionFailure("a SHA-256 has 32 bytes, and can be begun again") }
      for place in 0..<digits {
        let half = place.isMultiple(of: 2) ? digest[place / 2] >> 4 : digest[place / 2] & 15
        text.append(half < 10 ? UInt8(ascii: "0") + half : UInt8(ascii: "a") + half - 10)
      }
    }
  }

  package static func sha256(_ bytes: [UInt8]) -> String {
    let digest = Digest()
    digest.update(bytes)
    return digest.finish()
  }
}

/// Two lower-case digits per byte.
package func hexadecimal(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
