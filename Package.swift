// swift-tools-version: 6.0
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// One of Varve's own modules: the folder of its name under Sources.
func module(_ name: String, _ dependencies: [Target.Dependency], embedded: [String] = []) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: embedded.map { .embedInCode($0) }, swiftSettings: settings)
}

/// The tests of one module: the folder of its name under Tests.
func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: resources, swiftSettings: settings)
}

/// A C library of Debian's, found by pkg-config.
func library(_ name: String, _ pkgConfig: String) -> Target {
  .systemLibrary(name: "C\(name)", path: "Sources/C/\(name)", pkgConfig: pkgConfig)
}

let package = Package(
  name: "Varve",
  products: [
    .library(name: "Varve", targets: ["Varve", "VarveDelivery", "VarveService"]),
    .executable(name: "varve", targets: ["VarveCLI"]),
  ],
  targets: [
    .executableTarget(
      name: "VarveCLI",
      dependencies: ["VarveService", "VarveDelivery", "Varve", "VarveJSON", "VarveTables", "CSystem"],
      swiftSettings: settings),
    module(
      "VarveService", ["VarveDelivery", "Varve", "VarveLake", "VarveJSON", "VarveTables", "CSystem"],
      embedded: ["Console"]),
    module("Varve", ["VarveFeeds", "VarveLake", "VarveSQLite", "VarveParquet", "VarveJSON", "VarveTables", "CSystem"]),
    module(
      "VarveDelivery",
      [
        "Varve", "VarveLake", "VarveSQLite", "VarveJSON", "VarveTables", "CCurl", "CMicrohttpd", "CHTTP", "CCrypto",
        "CSystem",
      ]),
    module("VarveLake", ["VarveParquet", "VarveSQLite", "VarveJSON", "VarveTables", "CCrypto", "CSystem"]),
    module("VarveFeeds", ["VarveTables", "VarveJSON", "VarveParquet", "CArchive", "CXML", "CZlib"]),
    module("VarveParquet", ["VarveTables", "CZstd", "CZlib"]),
    module("VarveSQLite", ["VarveTables", "CSQLite"]),
    module("VarveJSON", []),
    module("VarveTables", []),

    library("Archive", "libarchive"),
    library("XML", "libxml-2.0"),
    library("SQLite", "sqlite3"),
    library("Zstd", "libzstd"),
    library("Zlib", "zlib"),
    library("Crypto", "libcrypto"),
    library("Curl", "libcurl"),
    library("Microhttpd", "libmicrohttpd"),
    .target(name: "CSystem", path: "Sources/C/System"),
    .target(name: "CHTTP", dependencies: ["CCurl", "CMicrohttpd"], path: "Sources/C/HTTP"),

    // The program of Documentation/Example, which has a package of its own, so that it is built and run by the tests.
    .executableTarget(
      name: "PriceWatchExample", dependencies: ["Varve"], path: "Documentation/Example/Sources/PriceWatch"),
    .executableTarget(
      name: "LakeRehearsal", dependencies: ["VarveLake", "VarveParquet", "VarveTables"],
      path: "Tests/Faults/LakeRehearsal", swiftSettings: settings),
    .target(name: "Faults", path: "Tests/Faults/Faults", swiftSettings: settings),
    .target(name: "Given", path: "Tests/Given", swiftSettings: settings),

    tests("VarveTablesTests", ["Given", "VarveTables"]),
    tests("VarveJSONTests", ["Given", "VarveJSON"]),
    tests(
      "VarveParquetTests", ["Given", "VarveParquet", "VarveTables"], resources: ["Fixtures", "make_fixtures.py"]),
    tests("VarveSQLiteTests", ["Given", "VarveSQLite", "VarveTables"]),
    tests(
      "VarveFeedsTests", ["Given", "VarveFeeds", "VarveParquet", "VarveTables", "VarveJSON", "CArchive"],
      resources: ["Fixtures"]),
    tests(
      "VarveLakeTests",
      ["LakeRehearsal", "Faults", "Given", "VarveLake", "VarveParquet", "VarveSQLite", "VarveJSON", "VarveTables"]),
    tests(
      "VarveTests",
      ["PriceWatchExample", "Faults", "Given", "Varve", "VarveLake", "VarveSQLite", "VarveTables", "VarveJSON"]),
    tests(
      "VarveDeliveryTests",
      ["Given", "VarveDelivery", "Varve", "VarveLake", "VarveSQLite", "VarveJSON", "VarveTables", "CSystem"]),
    tests("VarveServiceTests", ["VarveService", "VarveDelivery", "Varve", "VarveLake", "VarveJSON"]),
    tests("VarveCLITests", ["Faults", "Given", "VarveCLI", "Varve", "VarveJSON", "VarveTables"]),
    tests("RepositoryTests", ["Faults", "VarveCLI", "Varve"]),
  ]
)
