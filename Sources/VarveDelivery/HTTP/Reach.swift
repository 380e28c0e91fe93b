// sockaddr: which C module is taken to define it depends on what else is imported, so both are named.
package import CHTTP
internal import Glibc

/// Which machines a client may talk to, judged by the address that is connected to, after names are resolved.
package enum Reach: Hashable, Sendable {
  case anywhere
  /// This machine only.
  case loopback
  /// Neither this machine, nor private networks, nor what only clouds' machines see of themselves.
  case `public`

  package func allows(_ address: UnsafePointer<sockaddr>) -> Bool {
    switch self {
    case .anywhere: true
    case .loopback: Reach.network(of: address) == .loopback
    case .public: Reach.network(of: address) == .public
    }
  }

  private enum Network { case loopback, reserved, `public` }

  private static func network(of address: UnsafePointer<sockaddr>) -> Network {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        network(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
      }
    case AF_INET6:
      return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
        withUnsafeBytes(of: $0.pointee.sin6_addr) { network($0) }
      }
    default: return .reserved
    }
  }

  /// IANA's special-purpose registry, IPv4: address and length of the prefix.
  private static let reserved: [(UInt32, Int)] = [
    (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0xA9FE_0000, 16), (0xAC10_0000, 12), (0xC000_0000, 24),
    (0xC000_0200, 24), (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24), (0xCB00_7100, 24), (0xE000_0000, 3),
  ]

  private static func network(_ address: UInt32) -> Network {
    if address >> 24 == 127 { return .loopback }
    return reserved.contains { (address ^ $0.0) >> UInt32(32 - $0.1) == 0 } ? .reserved : .public
  }

  private static func network(_ bytes: UnsafeRawBufferPointer) -> Network {
    let last = bytes[12...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    if bytes[..<10].allSatisfy({ $0 == 0 }) {
      // IPv4 in IPv6, and below it the loopback and unspecified addresses.
      if bytes[10] == 0xFF, bytes[11] == 0xFF { return network(last) }
      return bytes[10] == 0 && bytes[11] == 0 && last == 1 ? .loopback : .reserved
    }
    // 64:ff9b::/96 leads to IPv4 too.
    if bytes[..<12].elementsEqual([0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]) { return network(last) }
    return bytes[0] & 0xE0 == 0x20 && !bytes[..<2].elementsEqual([0x20, 0x02]) ? .public : .reserved
  }
}
