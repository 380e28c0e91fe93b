// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "PriceWatch",
  dependencies: [.package(name: "Varve", path: "../..")],
  targets: [.executableTarget(name: "PriceWatch", dependencies: [.product(name: "Varve", package: "Varve")])])
