import Given
import Testing
import VarveTables

/// Digits without zeros at either end, and the power of ten of the last.
private func parts(_ text: String) -> [String] {
  let halves = text.lowercased().split(separator: "e")
  let mantissa = halves[0].filter { $0 != "-" }
  let fraction = mantissa.split(separator: ".", omittingEmptySubsequences: false).dropFirst().first?.count ?? 0
  var digits = Substring(mantissa.filter { $0 != "." }).drop { $0 == "0" }
  var power = (halves.count > 1 ? Int(halves[1])! : 0) - fraction
  while digits.last == "0" {
    digits.removeLast()
    power += 1
  }
  return [String(digits), digits.isEmpty ? "0" : String(power)]
}

private func check(_ text: String) {
  guard let expected = Double(text) else {
    Issue.record("\(text) is no double")
    return
  }
  var bytes = text
  let survives = parts(expected.description) == parts(text)
  #expect(Value(text: text, type: .double) == .double(expected), "\(text)")
  bytes.withUTF8 { #expect(Double(exactly: $0) == (survives ? expected : nil), "\(text)") }
}

@Test func `every number of up to 20 digits is the nearest double, and known to survive one or not`() {
  var random = Seed()
  for _ in 0..<10_000 {
    // Doubles as programs print them, and their neighbours in the last digits.
    let exponent = Double.random(in: -25...25, using: &random)
    let value =
      Double.random(in: 1...10, using: &random) * [1e-20, 1e-8, 1e-3, 1, 1e3, 1e10, 1e15].randomElement(using: &random)!
    check(value.description)
    check("\(value * exponent)")
    var digits = (0..<Int.random(in: 14...20, using: &random)).map { _ in String(Int.random(in: 0...9, using: &random))
    }
    digits[0] = String(Int.random(in: 1...9, using: &random))
    digits.insert(".", at: Int.random(in: 1..<digits.count, using: &random))
    check(digits.joined())
  }
  for power in 0..<62 {
    // Where doubles become twice as coarse.
    for offset in [-1.0, 0, 1] {
      let value = Double(1 << power) / 4
      for near in [value, value.nextUp, value.nextDown, value + offset * value.ulp * 2] {
        check(near.description)
        check("\(near)1".contains("e") ? near.description : "\(near)1")
        check(near.description.contains("e") ? near.description : near.description + "4999")
      }
    }
  }
  for text in [
    "9007199254740992.5", "9007199254740993.5", "0.1000000000000000055", "5e-324", "2.2250738585072011e-308",
    "1.7976931348623157e308", "123456789012345678e-3", "0.30000000000000004", "0.3000000000000000444",
  ] {
    check(text)
  }
}
