import { describeRealMedium } from "../support/describe-real-medium.ts";

// By name, under a kernel that has vfat; real-fat32.test.ts brings one where this machine's kernel has not.
describeRealMedium("vfat");
