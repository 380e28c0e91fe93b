import Glibc
import Testing
import VarveDelivery

@Suite struct ReachTests {
  /// What `reach` says of a numeric address.
  func allows(_ reach: Reach, _ address: String) throws -> Bool {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST
    var found: UnsafeMutablePointer<addrinfo>?
    try #require(getaddrinfo(address, "80", &hints, &found) == 0, "\(address)")
    defer { freeaddrinfo(found) }
    return reach.allows(try #require(found?.pointee.ai_addr))
  }

  @Test(arguments: ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
  func `this machine is loopback, however it is written`(address: String) throws {
    #expect(try allows(.loopback, address) && allows(.anywhere, address))
    #expect(try !allows(.public, address))
  }

  @Test(arguments: [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "2002:7f00:1::", "::127.0.0.1",
  ])
  func `private networks and what only clouds see are neither loopback nor public`(address: String) throws {
    #expect(try !allows(.loopback, address))
    #expect(try !allows(.public, address))
    #expect(try allows(.anywhere, address))
  }

  @Test(arguments: ["93.184.216.34", "172.32.0.1", "11.0.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
  func `the rest is public`(address: String) throws {
    #expect(try allows(.public, address) && !allows(.loopback, address))
  }

  @Test func `a pause is read as seconds or as a date`() {
    let now: Int64 = 784_111_770_000
    #expect(RetryAfter.seconds("120", now: now) == 120)
    #expect(RetryAfter.seconds("Sun, 06 Nov 1994 08:49:37 GMT", now: now) == 7)
    #expect(RetryAfter.seconds("Sun, 06 Nov 1994 08:49:00 GMT", now: now) == 0)
    for text in ["31536001", "9223372036854775807", "99999999999999999999", "Sun, 06 Nov 2094 08:49:37 GMT"] {
      #expect(RetryAfter.seconds(text, now: now) == RetryAfter.secondsMax)
    }
    #expect(RetryAfter.seconds("-1", now: now) == nil && RetryAfter.seconds("soon", now: now) == nil)
  }
}
