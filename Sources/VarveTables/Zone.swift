import Glibc

/// What the clocks of a place show: UTC, a fixed offset, or a zone of the system's time zone database.
///
/// A local time that comes twice (clocks set back) is its first instant. One that never comes (clocks set forward) is no
/// time.
package struct Zone: Sendable {
  /// As given: `UTC`, `+05:30`, `Europe/Berlin`.
  package let name: String
  private let table: ZoneTable?
  private let fixedOffset: Int

  package static let utc = Zone(name: "UTC", table: nil, fixedOffset: 0)

  private init(name: String, table: ZoneTable?, fixedOffset: Int) {
    self.name = name
    self.table = table
    self.fixedOffset = fixedOffset
  }

  /// `UTC`, `Z`, `±hh:mm`, or a name such as `Europe/Berlin` that stands in the system's database.
  package init(named name: String) throws {
    if name == "UTC" || name == "Z" {
      self = Zone(name: "UTC", table: nil, fixedOffset: 0)
      return
    }
    var text = name
    let offset: Int? = text.withUTF8 { bytes in
      guard let first = bytes.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") else { return nil }
      var index = 0
      let offset = CivilTime.offset(bytes, &index)
      return index == bytes.count ? offset : nil
    }
    if let offset {
      self = Zone(name: name, table: nil, fixedOffset: offset)
      return
    }
    let isName =
      !name.isEmpty && name.first != "/" && !name.split(separator: "/").contains { $0 == ".." || $0 == "." }
      && name.utf8.allSatisfy { byte in
        (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
          || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")) || "_-+/".utf8.contains(byte)
      }
    guard isName, let file = Self.read("/usr/share/zoneinfo/" + name), let table = ZoneTable(file) else {
      throw Problem(
        .usage, "there is no time zone \"\(name)\"",
        advice: "give UTC, an offset such as +02:00, or a name such as Europe/Berlin (package tzdata)")
    }
    self = Zone(name: name, table: table, fixedOffset: 0)
  }

  /// Seconds east of UTC at that instant (seconds since 1970).
  package func offset(at seconds: Int64) -> Int { table?.offset(at: seconds) ?? fixedOffset }

  /// The instant at which the clocks show that time, both in microseconds since 1970; nil when they never do.
  package func instant(ofLocal local: Int64) -> Int64? {
    guard let table else { return local - Int64(fixedOffset) * 1_000_000 }
    let seconds = local.flooredDivision(by: 1_000_000).quotient
    let before = table.offset(at: seconds - 86_400)
    let after = table.offset(at: seconds + 86_400)
    // The greater offset gives the earlier instant.
    for offset in [max(before, after), min(before, after)] where table.offset(at: seconds - Int64(offset)) == offset {
      return local - Int64(offset) * 1_000_000
    }
    return nil
  }

  /// What the clocks show at that instant.
  package func local(ofInstant instant: Int64) -> Int64 {
    let seconds = instant.flooredDivision(by: 1_000_000).quotient
    return instant + Int64(offset(at: seconds)) * 1_000_000
  }

  /// A whole small file; nil when it cannot be read.
  private static func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { _ = close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + filled, $0.count - filled)
      }
      if count < 0 { return nil }
      if count == 0 { break }
      filled += count
    }
    return Array(bytes[..<filled])
  }
}

/// A compiled time zone file (RFC 8536, "TZif"): the offsets it lists, and the rule that holds after the last of them.
struct ZoneTable: Sendable {
  private var transitions: [Int64] = []
  /// `offsets[i]` holds from `transitions[i - 1]` on; the first, before all of them.
  private var offsets: [Int] = []
  private var rule: ZoneRule?

  init?(_ file: [UInt8]) {
    func integer(_ at: Int, _ width: Int) -> Int64? {
      guard at >= 0, at + width <= file.count else { return nil }
      var bits: UInt64 = 0
      for byte in file[at..<at + width] { bits = bits << 8 | UInt64(byte) }
      return width == 4 ? Int64(Int32(truncatingIfNeeded: bits)) : Int64(bitPattern: bits)
    }
    func counts(_ at: Int) -> [Int]? {
      guard at + 44 <= file.count, file[at..<at + 4].elementsEqual("TZif".utf8) else { return nil }
      let counts = (0..<6).compactMap { integer(at + 20 + $0 * 4, 4).map { Int($0) } }
      return counts.count == 6 && counts.allSatisfy { (0...100_000).contains($0) } ? counts : nil
    }
    guard var sizes = counts(0) else { return nil }
    var start = 44
    var width = 4
    if file[4] >= UInt8(ascii: "2") {
      // The first block has 32-bit times; what counts is the second.
      start += sizes[3] * 5 + sizes[4] * 6 + sizes[5] + sizes[2] * 8 + sizes[1] + sizes[0]
      guard let wide = counts(start) else { return nil }
      sizes = wide
      start += 44
      width = 8
    }
    let (transitionCount, typeCount) = (sizes[3], sizes[4])
    let types = start + transitionCount * (width + 1)
    guard typeCount > 0 else { return nil }
    func offset(ofType type: Int) -> Int? {
      type < typeCount ? integer(types + type * 6, 4).map { Int($0) } : nil
    }
    guard let first = offset(ofType: 0) else { return nil }
    offsets = [first]
    for index in 0..<transitionCount {
      let typeAt = start + transitionCount * width + index
      guard let time = integer(start + index * width, width), typeAt < file.count,
        let offset = offset(ofType: Int(file[typeAt]))
      else { return nil }
      transitions.append(time)
      offsets.append(offset)
    }
    let footer = types + typeCount * 6 + sizes[5] + sizes[2] * (width + 4) + sizes[1] + sizes[0]
    if width == 8, footer < file.count, file[footer] == UInt8(ascii: "\n") {
      let text = file[(footer + 1)...].prefix { $0 != UInt8(ascii: "\n") }
      if !text.isEmpty {
        guard let rule = ZoneRule(Array(text)) else { return nil }
        self.rule = rule
      }
    }
  }

  func offset(at seconds: Int64) -> Int {
    if let rule, seconds >= transitions.last ?? Int64.min { return rule.offset(at: seconds) }
    var low = 0
    var high = transitions.count
    while low < high {
      let middle = (low + high) / 2
      if transitions[middle] <= seconds { low = middle + 1 } else { high = middle }
    }
    return offsets[low]
  }
}

/// The rule for all later years: `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX, "TZ"; RFC 8536, section 3.3).
struct ZoneRule: Sendable {
  private var standard: Int
  private var summer: (offset: Int, start: Change, end: Change)?

  private struct Change {
    enum Day {
      /// Month, week (5 is the last), weekday (0 is Sunday).
      case week(Int, Int, Int)
      /// Day 1 to 365; 29 February is never counted.
      case ofCommonYear(Int)
      /// Day 0 to 365.
      case ofYear(Int)
    }
    var day: Day
    /// Seconds after midnight, -167 to 167 hours.
    var seconds: Int

    /// Seconds since 1970 on the clock's face, in that year.
    func local(year: Int) -> Int64 {
      let first = CivilTime.days(year: year, month: 1, day: 1)!
      let day: Int64
      switch self.day {
      case .ofYear(let number): day = first + Int64(number)
      case .ofCommonYear(let number):
        let isLeap = CivilTime.days(year: year, month: 2, day: 29) != nil
        day = first + Int64(number - 1) + (isLeap && number >= 60 ? 1 : 0)
      case .week(let month, let week, let weekday):
        let start = CivilTime.days(year: year, month: month, day: 1)!
        // 1970-01-01 was a Thursday.
        let startWeekday = Int((start + 4).flooredDivision(by: 7).remainder)
        var date = (weekday - startWeekday + 7) % 7 + 1 + (week - 1) * 7
        while CivilTime.days(year: year, month: month, day: date) == nil { date -= 7 }
        day = start + Int64(date - 1)
      }
      return day * 86_400 + Int64(seconds)
    }
  }

  init?(_ text: [UInt8]) {
    var index = 0
    func peek() -> UInt8? { index < text.count ? text[index] : nil }
    func accept(_ byte: Unicode.Scalar) -> Bool {
      guard peek() == UInt8(ascii: byte) else { return false }
      index += 1
      return true
    }
    func number() -> Int? {
      let start = index
      var number = 0
      while let byte = peek(), byte >= 48, byte < 58, index - start < 4 {
        number = number * 10 + Int(byte - 48)
        index += 1
      }
      return index > start ? number : nil
    }
    func name() -> Bool {
      let start = index
      if accept("<") {
        while let byte = peek(), byte != UInt8(ascii: ">") { index += 1 }
        return accept(">")
      }
      while let byte = peek(), byte | 0x20 >= UInt8(ascii: "a"), byte | 0x20 <= UInt8(ascii: "z") { index += 1 }
      return index - start >= 3
    }
    func time() -> Int? {
      let isNegative = accept("-")
      if !isNegative { _ = accept("+") }
      guard let hours = number() else { return nil }
      var seconds = hours * 3_600
      for unit in [60, 1] where accept(":") {
        guard let part = number() else { return nil }
        seconds += part * unit
      }
      return isNegative ? -seconds : seconds
    }
    func change() -> Change? {
      guard accept(",") else { return nil }
      let day: Change.Day
      if accept("M") {
        guard let month = number(), accept("."), let week = number(), accept("."), let weekday = number(),
          (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday)
        else { return nil }
        day = .week(month, week, weekday)
      } else if accept("J") {
        guard let number = number(), (1...365).contains(number) else { return nil }
        day = .ofCommonYear(number)
      } else {
        guard let number = number(), (0...365).contains(number) else { return nil }
        day = .ofYear(number)
      }
      var seconds = 7_200
      if accept("/") {
        guard let given = time() else { return nil }
        seconds = given
      }
      return Change(day: day, seconds: seconds)
    }
    // POSIX counts offsets to the west.
    guard name(), let west = time() else { return nil }
    standard = -west
    guard index < text.count else { return }
    guard name() else { return nil }
    var offset = standard + 3_600
    if peek() != UInt8(ascii: ",") {
      guard let west = time() else { return nil }
      offset = -west
    }
    guard let start = change(), let end = change(), index == text.count else { return nil }
    summer = (offset, start, end)
  }

  func offset(at seconds: Int64) -> Int {
    guard let summer else { return standard }
    let day = (seconds + Int64(standard)).flooredDivision(by: 86_400).quotient
    guard CivilTime.days.contains(day) else { return standard }
    let year = CivilTime.civil(days: day).year
    let start = summer.start.local(year: year) - Int64(standard)
    let end = summer.end.local(year: year) - Int64(summer.offset)
    let isSummer = start < end ? (start..<end).contains(seconds) : !(end..<start).contains(seconds)
    return isSummer ? summer.offset : standard
  }
}
