import Given
import Testing
import VarveParquet
import VarveTables

@Suite struct BoundsTests {
  private func chunk(_ column: Column, _ options: ParquetOptions = ParquetOptions()) -> ColumnChunk {
    let encoder = ColumnChunkEncoder(type: column.type, options: options)
    encoder.append(column)
    return encoder.finish()
  }

  @Test(arguments: allTypes, Variety.allCases)
  func `bounds hold for every value, in memory and in the file`(type: DataType, variety: Variety) throws {
    var generator = Seed()
    let options = ParquetOptions(pageRowsMax: 300, dictionaryBytesMax: 1_000, statisticsBytesMax: 12)
    for nulls in Nulls.allCases where type != .json {
      let column = randomColumn(type, rows: 1_501, variety, nulls, using: &generator)
      let bounds = chunk(column, options).metadata.bounds
      #expect((bounds == nil) == (nulls == .all), "\(type) \(variety) \(nulls), seed \(generator.number)")
      if let bounds {
        #expect(hold(bounds, for: column), "\(type) \(variety) \(nulls), seed \(generator.number): \(bounds)")
      }
      let file = try ParquetFile(ByteArray(parquetBytes([column], options: options)), name: "bounds")
      #expect(file.bounds(rowGroup: 0, column: 0) == bounds)
      #expect(file.nullCount(rowGroup: 0, column: 0) == column.validity.count { !$0 })
    }
  }

  @Test func `bounds are exact where the type is not text`() {
    let bounds = chunk(Column(.int64, .int64([5, -3, 9]), validity: [true, true, false])).metadata.bounds
    #expect(bounds == ValueBounds(minimum: .int64(-3), maximum: .int64(5)))
    let largest = Int128("99999999999999999999999999999999999999")!
    let decimals = Column(.decimal(precision: 38, scale: 2), .int128([largest, -largest, 0]))
    #expect(
      chunk(decimals).metadata.bounds
        == ValueBounds(minimum: .decimal(unscaled: -largest, scale: 2), maximum: .decimal(unscaled: largest, scale: 2)))
  }

  @Test(arguments: [
    // Cut where a code point ends, and the last one raised.
    ("aaaaaaaa", "aaaa", "aaab"), ("aaaä", "aaa", "aab"), ("aaa\u{7F}b", "aaa\u{7F}", "aaa\u{80}"),
    ("\u{D7FF}bb", "\u{D7FF}b", "\u{D7FF}c"), ("a\u{D7FF}b", "a\u{D7FF}", "a\u{E000}"),
    // The last code point there is cannot be raised: the one before is.
    ("\u{10FFFF}b", "\u{10FFFF}", nil), ("a\u{10FFFF}", "a", "b"), ("ab", "ab", "ab"), ("", "", ""),
  ])
  func `long text is cut for the lower bound and rounded up for the upper`(
    text: String, lower: String, upper: String?
  ) {
    let bounds = chunk(texts([text]), ParquetOptions(statisticsBytesMax: 4)).metadata.bounds
    let isCut = text.utf8.count > 4
    guard let upper else {
      #expect(bounds == nil)
      return
    }
    #expect(
      bounds
        == ValueBounds(
          minimum: .text(lower), maximum: .text(upper), isMinimumExact: !isCut, isMaximumExact: !isCut))
  }

  @Test func `NaN is outside all bounds, and the zeros are both inside`() {
    func bounds(_ values: [Double]) -> ValueBounds? { chunk(Column(.double, .double(values))).metadata.bounds }
    func signs(_ bounds: ValueBounds?) -> [FloatingPointSign] {
      guard case .double(let low) = bounds?.minimum, case .double(let high) = bounds?.maximum else { return [] }
      return [low.sign, high.sign]
    }
    #expect(bounds([.nan, 1, .nan, -2]) == ValueBounds(minimum: .double(-2), maximum: .double(1)))
    #expect(bounds([.nan, .nan]) == nil)
    #expect(
      bounds([.nan, -.infinity, .infinity]) == ValueBounds(minimum: .double(-.infinity), maximum: .double(.infinity)))
    for zeros in [[0.0], [-0.0], [0.0, -0.0], [.nan, 0.0]] { #expect(signs(bounds(zeros)) == [.minus, .plus]) }
  }
}
