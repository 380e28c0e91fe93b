import Varve

/// The clock and randomness of this process: the system's, or for rehearsals what VARVE_CLOCK and VARVE_SEED say.
func surroundingsOfProcess() throws -> Surroundings {
  var surroundings = try injectedSurroundings()
  surroundings.isInterrupted = { Interruption.isRequested }
  return surroundings
}

private func injectedSurroundings() throws -> Surroundings {
  let clock = environment("VARVE_CLOCK")
  let seed = environment("VARVE_SEED")
  if clock.isEmpty && seed.isEmpty { return .system }
  guard !clock.isEmpty, !seed.isEmpty else {
    let (given, missing) = clock.isEmpty ? ("VARVE_SEED", "VARVE_CLOCK") : ("VARVE_CLOCK", "VARVE_SEED")
    throw Problem(
      .usage, "\(given) is set, and \(missing) is not: a run is rehearsed with both",
      advice: "set \(missing) too (VARVE_CLOCK=2024-10-06T12:00:00Z VARVE_SEED=1), or unset \(given)")
  }
  guard case .timestamp(let microseconds)? = Value(text: clock, type: .timestamp) else {
    throw Problem(
      .usage, "VARVE_CLOCK: \"\(clock)\" is no UTC time", advice: "write it like 2024-10-06T12:00:00Z")
  }
  guard let number = UInt64(seed) else {
    throw Problem(.usage, "VARVE_SEED: \"\(seed)\" is no whole number", advice: "write digits only")
  }
  return .rehearsed(startingAt: microseconds / 1000, seed: number)
}

func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }
