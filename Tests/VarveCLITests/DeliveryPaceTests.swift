import Testing
import VarveCLI

@Suite struct DeliveryPaceTests {
  @Test func `the bar of a push tells rate and time left`() {
    #expect(
      deliveryPace(done: 310_000, since: 0, total: 496_000, seconds: 25) == "310,000 records  12,400/s  0:15 left")
    #expect(deliveryPace(done: 310_000, since: 300_000, total: 496_000, seconds: 1).hasSuffix("10,000/s  0:19 left"))
    #expect(deliveryPace(done: 100, since: 0, total: 1_000_000, seconds: 1).hasSuffix("2:46:39 left"))
  }

  @Test func `without a total, or at the beginning and the end, there is nothing to say of the time`() {
    #expect(deliveryPace(done: 500, since: 0, total: nil, seconds: 2) == "500 records  250/s")
    #expect(deliveryPace(done: 500, since: 500, total: 600, seconds: 0) == "500 records")
    #expect(deliveryPace(done: 600, since: 0, total: 600, seconds: 2) == "600 records  300/s")
  }
}
