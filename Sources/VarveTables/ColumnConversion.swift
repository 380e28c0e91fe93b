/// Bringing stored values to a wider type (Documentation/Schema.md, "What widens").
extension Column {
  /// The same values in another type, or the first row whose value has no exact form in it.
  ///
  /// int64, decimal and double into each other where the number stays the same (a double is the number its shortest text
  /// spells), a date into the timestamp of its midnight UTC, every type into text by its canonical text and into JSON.
  package func converted(to target: DataType) -> Conversion {
    if target == type { return .converted(self) }
    switch (type, target) {
    case (.int64, .double): return integersAsDoubles()
    case (.int64, .decimal), (.decimal, .decimal), (.decimal, .int64): return rescaled(to: target)
    case (.double, .decimal), (.double, .int64): return doublesAsDecimals(target)
    case (.decimal, .double): return decimalsAsDoubles()
    case (.date, .timestamp):
      guard case .int64(let days) = values else { break }
      return .converted(
        Column(target, .int64(days.map { $0 * CivilTime.microsecondsPerDay }), validity: validity))
    case (.json, .text):
      return .converted(Column(target, values, validity: validity))
    case (_, .text): return .converted(Column(.text, .bytes(texts()), validity: validity))
    case (.text, .json), (.date, .json), (.timestamp, .json):
      return .converted(Column(.json, .bytes(quoted()), validity: validity))
    case (.boolean, .json), (.int64, .json), (.double, .json), (.decimal, .json):
      return .converted(Column(.json, .bytes(texts()), validity: validity))
    default: break
    }
    return .unknown
  }

  package enum Conversion: Sendable {
    case converted(Column)
    /// This row's value would change.
    case inexact(row: Int)
    /// The types have nothing in common.
    case unknown
  }

  private func integersAsDoubles() -> Conversion {
    guard case .int64(let integers) = values else { return .unknown }
    for (row, value) in integers.enumerated() where value.magnitude >= 1 << 53 { return .inexact(row: row) }
    return .converted(Column(.double, .double(integers.map { Double($0) }), validity: validity))
  }

  /// From int64 or decimal to int64 or decimal.
  private func rescaled(to target: DataType) -> Conversion {
    let (precision, scale) = target.digits
    let shift = scale - type.digits.scale
    let factor = Int128(UInt128.power(ofTen: shift.magnitude > 38 ? 38 : Int(shift.magnitude)))
    let limit = Int128(UInt128.power(ofTen: precision))
    var result: [Int128] = []
    result.reserveCapacity(count)
    var failed: Int?
    func take(_ value: Int128, _ row: Int) {
      let (scaled, overflow) =
        shift >= 0
        ? value.multipliedReportingOverflow(by: factor)
        : (value / factor, value % factor != 0)
      if (overflow || scaled.magnitude >= limit.magnitude) && failed == nil { failed = row }
      result.append(scaled)
    }
    switch values {
    case .int64(let values): for row in values.indices { take(Int128(values[row]), row) }
    case .int128(let values): for row in values.indices { take(values[row], row) }
    default: return .unknown
    }
    if let failed { return .inexact(row: failed) }
    return store(result, target)
  }

  private func store(_ unscaled: [Int128], _ target: DataType) -> Conversion {
    if target.storage == .int128 { return .converted(Column(target, .int128(unscaled), validity: validity)) }
    var narrow: [Int64] = []
    narrow.reserveCapacity(unscaled.count)
    for (row, value) in unscaled.enumerated() {
      guard let value = Int64(exactly: value) else { return .inexact(row: row) }
      narrow.append(value)
    }
    return .converted(Column(target, .int64(narrow), validity: validity))
  }

  private func doublesAsDecimals(_ target: DataType) -> Conversion {
    guard case .double(let doubles) = values else { return .unknown }
    let (precision, scale) = target.digits
    var result: [Int128] = []
    result.reserveCapacity(doubles.count)
    for (row, value) in doubles.enumerated() {
      var text = value.description
      let unscaled: Int128? = text.withUTF8 { bytes in
        guard let number = NumberText(bytes), number.integerDigits <= precision - scale else { return nil }
        return number.unscaled(scale: scale)
      }
      guard let unscaled else { return .inexact(row: row) }
      result.append(unscaled)
    }
    return store(result, target)
  }

  private func decimalsAsDoubles() -> Conversion {
    let texts = texts()
    var doubles: [Double] = []
    doubles.reserveCapacity(count)
    for row in 0..<count {
      let range = texts.range(row)
      let double: Double? = texts.bytes.withUnsafeBufferPointer { bytes in
        if range.isEmpty { return 0 }
        let text = UnsafeBufferPointer(rebasing: bytes[range])
        guard let double = NumberText(text)?.double(text) else { return nil }
        return double.survives ? double.value : nil
      }
      guard let double else { return .inexact(row: row) }
      doubles.append(double)
    }
    return .converted(Column(.double, .double(doubles), validity: validity))
  }

  /// The canonical text of every row; nothing for null.
  package func texts() -> ByteValues {
    if case .bytes(let values) = values { return values }
    var texts = ByteValues()
    texts.ends.reserveCapacity(count)
    for row in 0..<count {
      if !isNull(row) { appendText(row, to: &texts.bytes) }
      texts.ends.append(texts.bytes.count)
    }
    return texts
  }

  /// The canonical text of a row that is not null.
  func appendText(_ row: Int, to bytes: inout [UInt8]) {
    switch values {
    case .int64(let values):
      switch type {
      case .boolean: ValueText.append(boolean: values[row] != 0, to: &bytes)
      case .date: CivilTime.append(days: values[row], to: &bytes)
      case .timestamp: CivilTime.append(microseconds: values[row], to: &bytes)
      case .decimal(_, let scale): ValueText.append(unscaled: Int128(values[row]), scale: scale, to: &bytes)
      default: ValueText.append(int64: values[row], to: &bytes)
      }
    case .int128(let values): ValueText.append(unscaled: values[row], scale: type.digits.scale, to: &bytes)
    case .double(let values): ValueText.append(double: values[row], to: &bytes)
    case .bytes(let values): bytes.append(contentsOf: values[row])
    }
  }

  /// Every text as a JSON string.
  private func quoted() -> ByteValues {
    let texts = texts()
    var quoted = ByteValues()
    quoted.ends.reserveCapacity(count)
    texts.bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<count {
        if !isNull(row) {
          JSONString.append(UnsafeBufferPointer(rebasing: bytes[texts.range(row)]), to: &quoted.bytes)
        }
        quoted.ends.append(quoted.bytes.count)
      }
    }
    return quoted
  }
}

extension DataType {
  /// Digits in all and after the point; an int64 counts as a decimal of 19 digits.
  var digits: (precision: Int, scale: Int) {
    if case .decimal(let precision, let scale) = self { return (precision, scale) }
    return (19, 0)
  }
}
