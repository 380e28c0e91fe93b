import Testing
import VarveDelivery
import VarveJSON

@Suite struct ValueComparisonTests {
  @Test(arguments: [
    ("null", "null"), ("null", "\"\""), ("false", "null"), ("\"\"", "null"), ("[]", "null"), ("null", "false"),
    ("1", "1.0"), ("19.9", "\"19.90\""), ("\"19.9\"", "19.9"), ("1e3", "1000"), ("true", "1"), ("true", "\"1\""),
    ("0", "0"), ("0", "\"0\""), ("false", "0"), ("\"ä\"", "\"ä\""),
    ("\"2024-01-31\"", "\"2024-01-31T00:00:00+01:00\""), ("\"2024-01-31T08:30:00Z\"", "\"2024-01-31T09:30:00+01:00\""),
    ("\"2024-01-31T08:30:00.25Z\"", "\"2024-01-31 08:30:00\""), (#"{"a":1,"b":null}"#, #"{"a":1.0}"#),
    (#"{"a":[1]}"#, #""{\"a\":[1]}""#),
  ])
  func `is the value that was sent`(sent: String, read: String) throws {
    #expect(ValueComparison.isSame(try JSONValue(parsing: sent), try JSONValue(parsing: read)))
  }

  @Test(arguments: [
    ("1", "null"), ("null", "0"), ("0", "null"), ("true", "null"), ("true", "false"), ("\"1.0\"", "\"1\""),
    ("1", "1.1"),
    ("\"a\"", "\"A\""), ("\"a\"", "\"a \""), ("\"2024-01-31\"", "\"2024-02-01\""),
    ("\"2024-01-31T08:30:00Z\"", "\"2024-01-31T08:30:00+01:00\""), ("[1,2]", "[1]"), (#"{"a":1}"#, "\"a\""),
    ("\"x\"", "null"), ("\"ä\"", "\"a\\u0308\""),
  ])
  func `is another value`(sent: String, read: String) throws {
    #expect(!ValueComparison.isSame(try JSONValue(parsing: sent), try JSONValue(parsing: read)))
  }
}
