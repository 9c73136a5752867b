import { describeRealMedium } from "../support/describe-real-medium.ts";

// Fails where the kernel cannot mount FAT32; run by name: mocha --no-config test/transfer/real-fat32.ts
describeRealMedium("vfat");
