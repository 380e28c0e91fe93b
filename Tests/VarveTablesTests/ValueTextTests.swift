import Testing
import VarveTables

@Test(
  arguments: [
    (Value.boolean(true), DataType.boolean, "true"),
    (.int64(.min), .int64, "-9223372036854775808"), (.int64(0), .int64, "0"),
    (.int64(.max), .int64, "9223372036854775807"),
    (.double(2), .double, "2.0"), (.double(0.1), .double, "0.1"), (.double(1e16), .double, "1e+16"),
    (.double(-0.0), .double, "-0.0"), (.double(1.5e-5), .double, "1.5e-05"),
    (.double(.leastNonzeroMagnitude), .double, "5e-324"),
    (.double(0.30000000000000004), .double, "0.30000000000000004"),
    (.decimal(unscaled: 150, scale: 2), .decimal(precision: 5, scale: 2), "1.50"),
    (.decimal(unscaled: -5, scale: 2), .decimal(precision: 5, scale: 2), "-0.05"),
    (.decimal(unscaled: 0, scale: 3), .decimal(precision: 5, scale: 3), "0.000"),
    (
      .decimal(unscaled: Int128("99999999999999999999999999999999999999")!, scale: 37),
      .decimal(precision: 38, scale: 37), "9.9999999999999999999999999999999999999"
    ),
    (
      .decimal(unscaled: Int128("-12345678901234567890123456789012345678")!, scale: 0),
      .decimal(precision: 38, scale: 0), "-12345678901234567890123456789012345678"
    ),
    (.date(0), .date, "1970-01-01"), (.date(-719_162), .date, "0001-01-01"), (.date(2_932_896), .date, "9999-12-31"),
    (.date(19_753), .date, "2024-01-31"),
    (.timestamp(0), .timestamp, "1970-01-01T00:00:00Z"),
    (.timestamp(-1), .timestamp, "1969-12-31T23:59:59.999999Z"),
    (.timestamp(1_706_689_800_500_000), .timestamp, "2024-01-31T08:30:00.5Z"),
    (.text("é"), .text, "é"), (.json("{\"a\":1}"), .json, "{\"a\":1}"),
  ] as [(Value, DataType, String)])
func `every value has one text, and reads back from it`(value: Value, type: DataType, text: String) {
  #expect(value.text == text)
  #expect(Value(text: text, type: type) == value)
}

@Test func `days from 0001 to 9999 have their own text and come back`() {
  var last = ""
  for days in stride(from: CivilTime.days.lowerBound, through: CivilTime.days.upperBound, by: 11) {
    let text = Value.date(days).text!
    guard last < text, Value(text: text, type: .date) == .date(days) else {
      Issue.record("day \(days) is \(text)")
      return
    }
    last = text
  }
}

@Test(
  arguments: [
    ("2023-02-29", DataType.date), ("2024-13-01", .date), ("2024-00-10", .date), ("0000-01-01", .date),
    ("2024-1-01", .date),
    ("2024-01-31T", .timestamp), ("2024-01-31T24:00:00Z", .timestamp), ("2024-01-31T08:30:60Z", .timestamp),
    ("2024-01-31T08:30:00.1234567Z", .timestamp), ("2024-01-31T08:30:00 Z", .timestamp),
    ("0001-01-01T00:00:00+01:00", .timestamp),
    ("+1", .int64), ("01", .int64), ("1.5", .int64), ("9223372036854775808", .int64), ("", .int64), ("-", .int64),
    ("1e400", .double), ("NaN", .double), (".5", .double), ("5.", .double), ("1e", .double), ("1,5", .double),
    ("1.505", .decimal(precision: 5, scale: 2)), ("1000.00", .decimal(precision: 5, scale: 2)), ("TRUE", .boolean),
  ] as [(String, DataType)])
func `what is no value of the type is nil`(text: String, type: DataType) {
  #expect(Value(text: text, type: type) == nil)
}

@Test func `other spellings of a time are the same instant`() {
  let instant = Value.timestamp(1_706_689_800_000_000)
  for text in [
    "2024-01-31T08:30:00Z", "2024-01-31 08:30", "2024-01-31T08:30:00.0000000", "2024-01-31T09:30:00+01:00",
    "2024-01-31T03:00:00-0530", "2024-01-31T09:30+01",
  ] {
    #expect(Value(text: text, type: .timestamp) == instant, "\(text)")
  }
}

@Test func `values are ordered with null first, numbers by size and text by its bytes`() {
  let ordered: [[Value]] = [
    [.null, .int64(.min), .int64(-1), .int64(7)],
    [.double(-1e300), .double(-0.5), .double(3)],
    [
      .decimal(unscaled: -15, scale: 1), .decimal(unscaled: 14, scale: 1), .decimal(unscaled: 141, scale: 2),
      .decimal(unscaled: 15, scale: 1), .decimal(unscaled: 150, scale: 2), .decimal(unscaled: 151, scale: 2),
    ],
    [
      .text(""), .text("Z"), .text("a"), .text("ab"), .text("e\u{301}"), .text("\u{e9}"), .text("\u{ffff}"),
      .text("\u{1f600}"),
    ],
    [.boolean(false), .boolean(true)],
  ]
  for values in ordered {
    for (left, right) in zip(values, values.dropFirst()) {
      #expect(left < right, "\(left) before \(right)")
      #expect(!(right < left) && left != right)
    }
  }
}

@Test func `text in two Unicode forms is two values`() {
  #expect(Value.text("\u{e9}") != .text("e\u{301}"))
  #expect(Set([Value.text("\u{e9}"), .text("e\u{301}")]).count == 2)
}
