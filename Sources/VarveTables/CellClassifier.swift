/// What one raw cell says about the type of its column.
///
/// Text that its feed calls text is text. A CSV field is what its spelling says, by these rules:
/// JSON's numbers are numbers, but leading zeros, a plus sign or more than 15 digits make an identifier; dates and times
/// are ISO 8601; `true` and `false` may be written in capitals. Blanks around it do not count.
struct CellClassifier {
  let options: TypingOptions

  @inline(__always)
  func classify(
    _ kind: RawKind, _ text: UnsafeBufferPointer<UInt8>, _ add: (TypeEvidence.Fact) -> Void,
    digits: (_ integer: Int, _ scale: Int) -> Void
  ) {
    switch kind {
    case .absent, .null: return
    case .error: if options.errorCells == .text { add(.text) }
    case .json: add(.json)
    case .text, .time, .duration: add(.text)
    case .boolean: add(.boolean)
    case .date, .dateTime: add(time(text) ?? .text)
    case .number:
      guard let number = NumberText(text) else { return add(.text) }
      if number.isInteger, let value = number.int64 {
        add(.integer)
        if value.magnitude >= 1 << 53 { add(.largeInteger) }
      } else {
        add(.fraction)
        if !isDouble(number, text, point: UInt8(ascii: ".")) { add(.noDouble) }
      }
      digits(number.integerDigits, number.scale)
    case .untyped:
      if text.isEmpty { return add(.quotedEmpty) }
      let text = trimmed(text)
      guard let first = text.first else { return add(.text) }
      switch first {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"):
        guard let number = NumberText(text, point: options.point), !number.hasBarePoint else {
          return add(time(text) ?? .text)
        }
        if number.hasPlus { return add(.plusSign) }
        if number.hasLeadingZeros { return add(.leadingZeros) }
        digits(number.integerDigits, number.scale)
        if number.isInteger {
          add(number.significantDigits > 15 ? .longNumber : .integer)
        } else {
          if number.fractionDigits == 3, (1...3).contains(number.integerDigits), !number.hasExponent { add(.groupLike) }
          // Nobody's identifier has a point; but digits beyond a double are kept as they are spelled.
          add(isDouble(number, text, point: options.point) ? .fraction : .longNumber)
        }
      case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "T"), UInt8(ascii: "F"):
        add(BooleanText.value(text) != nil && BooleanText.capitals(text) != nil ? .boolean : .text)
      default: add(.text)
      }
    }
  }

  private func isDouble(_ number: NumberText, _ text: UnsafeBufferPointer<UInt8>, point: UInt8) -> Bool {
    number.double(text, point: point)?.survives ?? false
  }

  private func time(_ text: UnsafeBufferPointer<UInt8>) -> TypeEvidence.Fact? {
    guard let local = CivilTime.local(iso: text), options.zone.instant(of: local) != nil else { return nil }
    return local.hasTime ? .timestamp : .date
  }
}
