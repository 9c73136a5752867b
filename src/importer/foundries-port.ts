/** What the importer needs of the Foundries REST API is what its client promises; tests bring another. */
export type {
  ApiFailure as PortFailure,
  DeviceChange,
  FactoryDevice,
  FoundriesApi as FoundriesPort,
} from "../foundries/port.ts";
